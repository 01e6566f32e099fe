#!lua
-- Says that the identity rules of a tenant are being changed: from here on no process opens it, and those that have it open close it.
--
--   ARGV[2] format of the books that the caller knows   ARGV[3] case   ARGV[4] domain: the rules that its books are to have
--
-- Reply, by its first word:
--   begun        number of shards, case and domain until now: begun now, or by a run that was broken off
--   done         number of shards: it has these rules
--   other        case, domain: a change to these was broken off, and comes first
--   format       the registered one, which the caller does not know
--   unregistered (its rules are not registered yet)   unknown (no such tenant)

local key = PREFIX .. 'tenant'
local known = redis.call('HMGET', key, 'shards', 'format', 'case', 'domain', 'rekey')
if not known[1] then return { 'unknown' } end
if known[2] and known[2] ~= ARGV[2] then return { 'format', known[2] } end
if not known[3] then return { 'unregistered' } end
if known[5] then
  local to = cjson.decode(known[5])
  if to.case ~= ARGV[3] or to.domain ~= ARGV[4] then return { 'other', to.case, to.domain } end
elseif known[3] == ARGV[3] and known[4] == ARGV[4] then
  return { 'done', known[1] }
else
  redis.call('HSET', key, 'rekey', cjson.encode({ case = ARGV[3], domain = ARGV[4], at = now_text }))
end
return { 'begun', known[1], known[3], known[4] }
