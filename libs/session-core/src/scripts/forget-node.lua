#!lua flags=allow-oom
-- Forgets a run that was lost or has left and has nothing to do any more: its name counts as one that never beat.
--
--   ARGV[2] node   ARGV[3] epoch
--
-- Reply: forgotten | kept (another run is in force, or this one goes on, or not all that it held has ended or been hung up)

-- @include reading
-- @include runs
local node, epoch = ARGV[2], tonumber(ARGV[3])
local known, _, over = known_run(node)
-- What a node held that has left is drained by its own entries, whether or not the run is known.
local departing = over ~= 'left' and redis.call('ZSCORE', DEPARTED, 'node_lost:' .. node .. ':' .. ARGV[3])
local begun, commands = redis.call('HEXISTS', BEGUN, node) == 1, redis.call('HLEN', key('commands:', node))
if known and (known ~= epoch or not over) or departing or begun or commands > 0 then return 'kept' end
redis.call('HDEL', NODES, node)
return 'forgotten'
