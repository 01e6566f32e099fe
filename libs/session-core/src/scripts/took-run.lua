#!lua flags=allow-oom
-- The tenant knows a run that began in this shard: it is watched.
--
--   ARGV[2] node   ARGV[3] epoch and time as they were read
--
-- Reply: 1 done, 0 something newer has begun

local BEGUN = PREFIX .. 'begun'
if redis.call('HGET', BEGUN, ARGV[2]) ~= ARGV[3] then return 0 end
return redis.call('HDEL', BEGUN, ARGV[2])
