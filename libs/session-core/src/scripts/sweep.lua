#!lua flags=allow-oom
-- Ends what is due, oldest deadline first, a bounded batch. Any number of sweepers at once: each session ends once.
-- What is due by silence while nobody could renew is put off instead, once.
--
--   ARGV[2] batch: at most so many sessions
--
-- Reply: next due (ms, '+inf' if nothing is), now (ms), then {sessionId, due, record} for each that ended.

-- @include reading
-- @include endings
-- @include due
local grace = redis.call('HMGET', PREFIX .. 'pulse', 'at', 'stale_after', 'grace_until', 'credit')
if grace[1] and now - grace[1] > tonumber(grace[2]) then return { string.format('%d', now + 1000), now_text } end -- first the pulse

local due_now = redis.call('ZRANGE', DEADLINES, '-inf', now_text, 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
local plans, orphans, put_off, reply = {}, {}, {}, { '', now_text }
for i = 1, #due_now, 2 do
  local id, due = due_now[i], tonumber(due_now[i + 1])
  local readable, session = pcall(read_session, id)
  if not readable or not session or not session.live then
    orphans[#orphans + 1] = id
  elseif is_deferred(session, due) then
    put_off[#put_off + 1] = due_text(math.min(math.max(due + tonumber(grace[4]), tonumber(grace[3])), hard_end(session)))
    put_off[#put_off + 1] = id
  else
    plans[#plans + 1] = plan_end(id, session, due)
  end
end
local length = touch_shard()
-- A deadline without a live record that can be read is the trace of a foreign hand; left there it would stand before all that is due.
if #orphans > 0 then redis.call('ZREM', DEADLINES, unpack(orphans)) end
if #put_off > 0 then redis.call('ZADD', DEADLINES, 'XX', unpack(put_off)) end
for _, plan in ipairs(plans) do
  apply_end(plan, length, due_reason(plan.session), '')
  reply[#reply + 1] = { plan.id, due_text(plan.due), plan.session.packed }
end
reply[1] = redis.call('ZRANGE', DEADLINES, 0, 0, 'WITHSCORES')[2] or '+inf'
return reply
