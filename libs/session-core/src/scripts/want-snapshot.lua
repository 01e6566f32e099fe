#!lua flags=allow-oom
-- The next beat of this node asks it for a snapshot.
--
--   ARGV[2] node
--
-- Reply: 1 it will, 0 no such node beats

-- @include key
local node_key = key('node:', ARGV[2])
if redis.call('HEXISTS', node_key, 'epoch') == 0 then return 0 end
redis.call('HSET', node_key, 'snapshot_wanted', '1')
return 1
