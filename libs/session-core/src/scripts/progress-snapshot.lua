#!lua flags=allow-oom
-- Says how far the work on a complete list has come, and that somebody is at it.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] mark (ms)   ARGV[5] who works   ARGV[6] compare | drop   ARGV[7] done   ARGV[8] of
--
-- Reply: 1, 0 if there is a newer list or another one works on this

-- @include key
local LEASE_MS = 5000
local snapshot = key('snapshot:', ARGV[2])
local known = redis.call('HMGET', snapshot, 'epoch', 'mark', 'worker')
if known[1] ~= ARGV[3] or known[2] ~= ARGV[4] or known[3] ~= ARGV[5] then return 0 end
redis.call('HSET', snapshot, 'phase', ARGV[6], 'done', ARGV[7], 'of', ARGV[8], 'worker_until', string.format('%d', now + LEASE_MS))
return 1
