#!lua flags=allow-oom
-- A node leaves for good: nothing is known of it any more but which run has left, so that what is late of it does not bring it back. The shards learn
-- of it afterwards, which can be repeated: `left_nodes` has 0 for it until they all know.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] 1: a shard knows the run, so that it is not judged by the clock
--
-- Reply: leaving, 1 if the name has beaten | stale, present epoch | future, now

-- @include key
-- @include drop-node
local node, epoch, node_key = ARGV[2], tonumber(ARGV[3]), key('node:', ARGV[2])
local run = redis.call('HMGET', node_key, 'epoch', 'state', 'beaten')
local known, beaten = tonumber(run[1] or 0), run[2] == 'left' and run[3] or (run[1] and '1' or '0')
if known > epoch then return { 'stale', string.format('%d', known) } end
if known < epoch and epoch > now + MOST_AHEAD_MS and ARGV[4] ~= '1' then return { 'future', now_text } end
drop_node(node)
redis.call('HSET', node_key, 'epoch', ARGV[3], 'state', 'left', 'beaten', beaten, 'since', now_text)
redis.call('ZADD', LEFT_NODES, 0, node)
return { 'leaving', beaten }
