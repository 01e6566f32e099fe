#!lua flags=allow-oom
-- Last step of a handover to another shard: the session leaves this one, or stays where the handover came to nothing.
--
--   ARGV[2] sessionId   ARGV[3] token   ARGV[4] how: claimed | declined | over (it had ended here, and what was claimed has ended with it)
--   ARGV[5] seen: the session as it was claimed; what has changed since must be claimed first   ARGV[6] tombstone (ms)
--
-- Reply: closed | gone (this handover is not on offer any more) | changed, seen, record, due, lastActivity, traffic | over [record]

-- @include reading
-- @include endings
-- @include offers
-- @include runs
local id, tombstone_ms = ARGV[2], ARGV[6]
-- @include leaving
local offer = redis.call('HGET', OFFERS, id)
offer = offer and cjson.decode(offer)
if not offer or offer.token ~= ARGV[3] then return { 'gone' } end
redis.call('ZCARD', OFFERS_DUE)
local function close()
  redis.call('HDEL', OFFERS, id)
  redis.call('ZREM', OFFERS_DUE, id)
end

if ARGV[4] ~= 'claimed' then
  close()
  return { 'closed' }
end
local session = read_session(id)
if not is_offered(session, offer) then return { 'over', session and session.packed } end
local plan = plan_end(id, session, nil, true)
local seen = seen_of(session, plan.due, plan.traffic)
if seen ~= ARGV[5] then return { 'changed', seen, unpack(live_reply(session, plan.due, plan.traffic), 2) } end
local length = touch_shard()
close()
leave(plan, length, offer.newId ~= '' and offer.newId or id, offer.user, tombstone_ms)
return { 'closed' }
