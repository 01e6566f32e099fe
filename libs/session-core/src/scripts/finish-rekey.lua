#!lua flags=allow-oom
-- The books of a tenant are kept by other identity rules now: processes with these may open it.
--
--   ARGV[2] case   ARGV[3] domain
--
-- Reply: 1 registered now or before, 0 nobody is changing them to these

local key = PREFIX .. 'tenant'
local known = redis.call('HMGET', key, 'case', 'domain', 'rekey')
if not known[3] then return known[1] == ARGV[2] and known[2] == ARGV[3] and 1 or 0 end
local to = cjson.decode(known[3])
if to.case ~= ARGV[2] or to.domain ~= ARGV[3] then return 0 end
redis.call('HSET', key, 'case', ARGV[2], 'domain', ARGV[3])
redis.call('HDEL', key, 'rekey')
return 1
