#!lua flags=allow-oom
-- Ends what is due, oldest deadline first, a bounded batch. Any number of sweepers at once: each session ends once.
--
--   ARGV[2] batch: at most so many sessions
--
-- Reply: next due (ms, '+inf' if nothing is), now (ms), then {sessionId, due, record} for each that ended.

-- @include reading
-- @include endings
local due_now = redis.call('ZRANGE', DEADLINES, '-inf', now_text, 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
local plans, orphans, reply = {}, {}, { '', now_text }
for i = 1, #due_now, 2 do
  local readable, session = pcall(read_session, due_now[i])
  if readable and session and session.live then
    plans[#plans + 1] = plan_end(due_now[i], session, tonumber(due_now[i + 1]))
  else
    orphans[#orphans + 1] = due_now[i]
  end
end
local length = touch_shard()
-- A deadline without a live record that can be read is the trace of a foreign hand; left there it would stand before all that is due.
if #orphans > 0 then redis.call('ZREM', DEADLINES, unpack(orphans)) end
for _, plan in ipairs(plans) do
  apply_end(plan, length, due_reason(plan.session), '')
  reply[#reply + 1] = { plan.id, due_text(plan.due), plan.session.packed }
end
reply[1] = redis.call('ZRANGE', DEADLINES, 0, 0, 'WITHSCORES')[2] or '+inf'
return reply
