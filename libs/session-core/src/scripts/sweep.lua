#!lua flags=allow-oom
-- Ends what is due, oldest deadline first, a bounded batch. Any number of sweepers at once: each session ends once.
-- What is due by silence while nobody could renew is put off instead, once.
--
--   ARGV[2] batch: at most so many sessions
--
-- A stray that is due (`strays.lua`) ends as reconciled. In a shard with more users and groups than can be searched here it is left to the audit, which comes
-- by them all, and stands in nobody's way until then.
--
-- Reply: next due (ms, '+inf' if nothing is), now (ms), then {sessionId, due, record} for each that ended.

-- @include reading
-- @include endings
-- @include strays
-- @include due
local grace = redis.call('HMGET', PREFIX .. 'pulse', 'at', 'stale_after', 'grace_until', 'credit')
if grace[1] and now - grace[1] > tonumber(grace[2]) then return { string.format('%d', now + 1000), now_text } end -- first the pulse

local due_now = redis.call('ZRANGE', DEADLINES, '-inf', now_text, 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
local plans, strays, kinds, put_off, reply = {}, {}, {}, {}, { '', now_text }
for i = 1, #due_now, 2 do
  local id, due = due_now[i], tonumber(due_now[i + 1])
  local session = read_session(id)
  local kind = stray_kind(session)
  if kind then
    strays[#strays + 1], kinds[#kinds + 1] = id, kind
  elseif is_deferred(session, due) then
    put_off[#put_off + 1] = due_text(math.min(math.max(due + tonumber(grace[4]), tonumber(grace[3])), hard_end(session)))
    put_off[#put_off + 1] = id
  else
    plans[#plans + 1] = plan_end(id, session, due)
  end
end
local homes, all_searched = homes_of(strays)
local ending = {}
for i, home in ipairs(homes) do
  if all_searched or home.users[1] then
    ending[#ending + 1] = plan_stray(home, kinds[i])
  else
    put_off[#put_off + 1], put_off[#put_off + 2] = '+inf', home.id
  end
end
local length = touch_shard()
for _, plan in ipairs(ending) do
  local packed = reconcile(plan, length)
  if packed then reply[#reply + 1] = { plan.id, due_text(tonumber(plan.counted)), packed } end
end
if #put_off > 0 then redis.call('ZADD', DEADLINES, 'XX', unpack(put_off)) end
for _, plan in ipairs(plans) do
  apply_end(plan, length, due_reason(plan.session), '')
  reply[#reply + 1] = { plan.id, due_text(plan.due), plan.session.packed }
end
reply[1] = redis.call('ZRANGE', DEADLINES, 0, 0, 'WITHSCORES')[2] or '+inf'
return reply
