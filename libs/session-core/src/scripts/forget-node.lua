#!lua flags=allow-oom
-- Forgets a node that was lost long ago, with what it was still to do.
--
--   ARGV[2] node   ARGV[3] epoch
--
-- Reply: forgotten | kept (another run is in force, or this one is not lost, or not all that it held has ended)

-- @include reading
-- @include runs
local node, epoch = ARGV[2], tonumber(ARGV[3])
local known, _, lost = known_run(node)
local commands, commanded = key('commands:', node), PREFIX .. 'commanded'
local departing = redis.call('ZSCORE', DEPARTED, 'node_lost:' .. node .. ':' .. ARGV[3])
if known and (known ~= epoch or not lost) or departing then return 'kept' end
redis.call('HLEN', commands)
redis.call('ZCARD', commanded)
redis.call('HDEL', NODES, node)
redis.call('UNLINK', commands)
redis.call('ZREM', commanded, node)
return 'forgotten'
