#!lua flags=allow-oom
-- The work on a complete list is done: what came of it is kept for who asks again, and the node need not send one for a while.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] mark (ms)
--   ARGV[5] adopted   ARGV[6] restored   ARGV[7] dropped   ARGV[8] elsewhere   ARGV[9] the fuse that suspended it, '' if none
--
-- Reply: 1, 0 if a newer list or run has come

-- @include key
local node_key, snapshot = key('node:', ARGV[2]), key('snapshot:', ARGV[2])
local run, known = redis.call('HMGET', node_key, 'epoch', 'since'), redis.call('HMGET', snapshot, 'epoch', 'mark')
if run[1] ~= ARGV[3] or known[1] ~= ARGV[3] or known[2] ~= ARGV[4] then return 0 end
redis.call('HSET', snapshot, 'state', 'done', 'adopted', ARGV[5], 'restored', ARGV[6], 'dropped', ARGV[7], 'elsewhere', ARGV[8],
  'suspended', ARGV[9])
redis.call('HDEL', snapshot, 'tell', 'worker', 'worker_until')
redis.call('HSET', node_key, 'snapshot_at', now_text, 'snapshot_mark', ARGV[4])
-- A list that was begun before the node returned does not tell what was lost with it.
if tonumber(ARGV[4]) >= tonumber(run[2] or 0) then redis.call('HSET', node_key, 'snapshot_wanted', '0') end
return 1
