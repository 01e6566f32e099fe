#!lua
-- Replaces the limits document of a tenant, if nobody changed it since it was read.
--
--   KEYS[1] limits document   hash   version, document (JSON)
--   ARGV[1] the version that was read, 0 if there was none   ARGV[2] the new version   ARGV[3] the new document
--
-- Reply: 1 replaced, 0 somebody else was first

local current = tonumber(redis.call('HGET', KEYS[1], 'version') or 0)
if current ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'document', ARGV[3])
return 1
