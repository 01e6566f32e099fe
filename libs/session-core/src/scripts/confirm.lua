#!lua flags=allow-oom
-- A reserved session has been answered: it becomes active and its idle time begins. Confirming an active one changes nothing.
--
--   ARGV[2] sessionId   ARGV[3] attempt, '' for whichever lives   ARGV[4] its user, '' if not said
--
-- Reply: live (record, due, lastActivity, traffic) | ended (record, absent if a later attempt lives) | unknown

-- @include reading
-- @include endings
-- @include due
-- @include session-json
-- @include runs
local id, attempt = ARGV[2], tonumber(ARGV[3])
local state, session, plan, length = look_up(id, false, ARGV[4])
if state ~= 'live' then return no_longer(state, session) end
local list = session.list
if attempt and attempt < list[ATTEMPT] then return { 'ended' } end
-- The run that holds it is over, and the session about to end with it.
local over = departed_run(list)
if over then return over == 'node_lost' and { 'unknown' } or { 'ended' } end

if list[STATE] == RESERVED then
  list[STATE] = ACTIVE
  plan.due = next_due(session, now)
  redis.call('SET', key('session:', id), pack_session(session))
  redis.call('ZADD', DEADLINES, due_text(plan.due), id)
  local number, started = string.format('%d', list[ATTEMPT]), string.format('%d', session.started)
  append_event(length, id .. '/' .. number .. '/confirmed/' .. started, 'session.confirmed',
    'session', session_json(id, session), 'startedAt', started, 'fromState', 'reserved')
end
return live_reply(session, plan.due, plan.traffic)
