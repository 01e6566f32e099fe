#!lua flags=allow-oom
-- First step of a handover to another shard of the tenant: says in the shard that has the session where it is to go, so that whoever comes
-- by (another call, the reaper after the lease) can bring it to its end. Then `claim.lua` there, then `close-offer.lua` here.
--
--   ARGV[2] sessionId   ARGV[3] attempt, '' for whichever lives   ARGV[4] mode: offer | resume (what is under way, with a new lease)
--   ARGV[5] lease (ms)  ARGV[6] token: names this handover
--   ARGV[7] kind: authenticated | transferred   ARGV[8] user   ARGV[9] node, '' stays   ARGV[10] its epoch   ARGV[11] new id, '' stays
--   ARGV[12] the user that the caller takes it to have, '' if not said
--
-- Reply, by its first word:
--   offered    offer (JSON), seen, then as `live` of the other verbs: record, due, lastActivity, traffic
--   over       offer (JSON), record if it is there: the session that was offered has ended since
--   pending    another handover is under way, to be resumed first
--   conflict (it has a user)   none (nothing to resume)   ended [record]   unknown

-- @include reading
-- @include endings
-- @include due
-- @include runs
-- @include offers
-- @include fence
local id, attempt = ARGV[2], tonumber(ARGV[3])
local pending = redis.call('HGET', OFFERS, id)
redis.call('ZCARD', OFFERS_DUE)
local lease = string.format('%d', now + tonumber(ARGV[5]))

if ARGV[4] == 'resume' then
  if not pending then
    redis.call('ZREM', OFFERS_DUE, id)
    return { 'none' }
  end
  local session, due, traffic = read_session(id), due_of(id), read_traffic(id)
  redis.call('ZADD', OFFERS_DUE, lease, id)
  if not is_offered(session, cjson.decode(pending)) then return { 'over', pending, session and session.packed } end
  return { 'offered', pending, seen_of(session, due, traffic), unpack(live_reply(session, due, traffic), 2) }
end

local refused = fenced()
if refused then return refused end
if pending then return { 'pending' } end
local state, session, plan = look_up(id, true, '')
if is_foreign(session, ARGV[12], ARGV[8]) then return { 'unknown' } end
if state ~= 'live' then return no_longer(state, session) end
local list = session.list
if attempt and attempt < list[ATTEMPT] then return { 'ended' } end
if ARGV[7] == 'authenticated' then
  local over = departed_run(list)
  if over then return over == 'node_lost' and { 'unknown' } or { 'ended' } end
  if list[USER] ~= '' then return { 'conflict' } end
end
local offer = cjson.encode({ token = ARGV[6], attempt = list[ATTEMPT], kind = ARGV[7], user = ARGV[8], node = ARGV[9],
  epoch = ARGV[10], newId = ARGV[11] })
redis.call('HSET', OFFERS, id, offer)
redis.call('ZADD', OFFERS_DUE, lease, id)
return { 'offered', offer, seen_of(session, plan.due, plan.traffic), unpack(live_reply(session, plan.due, plan.traffic), 2) }
