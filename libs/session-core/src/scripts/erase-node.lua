#!lua flags=allow-oom
-- An operator forgets a node: nothing is known of it any more, until it beats again as if for the first time.
--
--   ARGV[2] node
--
-- Reply: 1 it is forgotten, 0 nothing was known

-- @include key
local node, node_key, fuse = ARGV[2], key('node:', ARGV[2]), 'snapshot/' .. ARGV[2]
local was = redis.call('HEXISTS', node_key, 'epoch')
local sorted, snapshot = { HEARTBEATS, LOST_NODES, PREFIX .. 'contested' }, key('snapshot:', node)
for _, set in ipairs(sorted) do redis.call('ZCARD', set) end
for _, hash in ipairs({ LOSING, FUSES, snapshot }) do redis.call('HLEN', hash) end
for _, set in ipairs(sorted) do redis.call('ZREM', set, node) end
redis.call('HDEL', LOSING, node)
redis.call('HDEL', FUSES, fuse, 'allowed:' .. fuse)
redis.call('UNLINK', node_key)
redis.call('UNLINK', snapshot)
return was
