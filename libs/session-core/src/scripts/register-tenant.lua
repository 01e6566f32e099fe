#!lua flags=allow-oom
-- Creates the tenant with a number of shards and identity rules, unless it exists: then it keeps what it has. One that was created before rules
-- were registered takes those of the first who asks. Needed before anything is ended, so allowed when memory is full.
--
--   ARGV[2] number of shards   ARGV[3] format of the books   ARGV[4] case   ARGV[5] domain
--
-- Reply: {created}, {adopted}, {known}; or why its books are not for this caller: {format, the registered one}, {mismatch, shards, created at (ms)},
-- {rekeying, case, domain, then case and domain that they become}, {identity, case, domain}

local key = PREFIX .. 'tenant'
local known = redis.call('HMGET', key, 'shards', 'created_at', 'format', 'case', 'domain', 'rekey')
if not known[1] then
  redis.call('HSET', key, 'shards', ARGV[2], 'created_at', now_text, 'format', ARGV[3], 'case', ARGV[4], 'domain', ARGV[5])
  return {'created'}
end
if known[3] and known[3] ~= ARGV[3] then return {'format', known[3]} end
if known[1] ~= ARGV[2] then return {'mismatch', known[1], known[2] or '0'} end
if known[6] then
  local to = cjson.decode(known[6])
  return {'rekeying', known[4], known[5], to.case, to.domain}
end
if not known[4] then
  redis.call('HSET', key, 'format', ARGV[3], 'case', ARGV[4], 'domain', ARGV[5])
  return {'adopted'}
end
if known[4] ~= ARGV[4] or known[5] ~= ARGV[5] then return {'identity', known[4], known[5]} end
return {'known'}
