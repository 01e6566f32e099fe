#!lua
-- Replaces the limits document of a tenant, if nobody changed it since it was read, and by nobody who reads names by other rules.
--
--   KEYS[1] limits document   hash   version, document (JSON)
--   KEYS[2] registration      hash   case, domain, rekey
--   ARGV[1] the version that was read, 0 if there was none   ARGV[2] the new version   ARGV[3] the new document
--   ARGV[4] case   ARGV[5] domain: the rules of the caller, '' of the one who changes them
--
-- Reply: 1 replaced, 0 somebody else was first

local rules = redis.call('HMGET', KEYS[2], 'case', 'domain', 'rekey')
local others = rules[1] and (rules[1] ~= ARGV[4] or rules[2] ~= ARGV[5])
if ARGV[4] ~= '' and (rules[3] or others) then
  return redis.error_reply('RULES the identity rules of this tenant are being changed, or are others than this process knows')
end
local current = tonumber(redis.call('HGET', KEYS[1], 'version') or 0)
if current ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'document', ARGV[3])
return 1
