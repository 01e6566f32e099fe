#!lua flags=allow-oom
-- Every shard knows of a change of a node's run: that it is lost, that it has left, or that it is forgotten.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] number of the loss, 'left', or '' to forget the node
--   ARGV[5] a larger number that the loss takes, because a shard knows a later change; '' where every shard knows of the loss
--
-- Reply: 1 done, 0 something newer happened meanwhile

-- @include key
local node, node_key = ARGV[2], key('node:', ARGV[2])
if ARGV[4] == 'left' then
  local known = redis.call('HMGET', node_key, 'epoch', 'state')
  if known[1] ~= ARGV[3] or known[2] ~= 'left' then return 0 end
  redis.call('ZADD', LEFT_NODES, now_text, node)
  return 1
end
if ARGV[4] ~= '' then
  if redis.call('HGET', LOSING, node) ~= ARGV[3] .. ' ' .. ARGV[4] then return 0 end
  local run = redis.call('HMGET', node_key, 'epoch', 'change', 'state')
  if ARGV[5] ~= '' and run[1] == ARGV[3] and run[2] == ARGV[4] and run[3] == 'lost' then
    redis.call('HSET', node_key, 'change', ARGV[5])
    redis.call('HSET', LOSING, node, ARGV[3] .. ' ' .. ARGV[5])
    return 1
  end
  return redis.call('HDEL', LOSING, node)
end
local known = redis.call('HMGET', node_key, 'epoch', 'state')
local goes_on = known[2] and known[2] ~= 'lost' and known[2] ~= 'left'
redis.call('ZCARD', LOST_NODES)
redis.call('ZCARD', LEFT_NODES)
if goes_on or (known[1] and known[1] ~= ARGV[3]) then return 0 end
redis.call('UNLINK', node_key)
return redis.call('ZREM', LOST_NODES, node) + redis.call('ZREM', LEFT_NODES, node)
