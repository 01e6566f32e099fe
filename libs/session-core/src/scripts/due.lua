-- For the verbs that move a deadline, or a session.

-- The answer about a session that is not live. What ended provisionally is unknown to whoever still holds it: he keeps the call, and says
-- so by asking again or by a snapshot.
local function no_longer(state, session)
  if state == 'unknown' or not session or session.list[STATE] == PROVISIONAL then return { 'unknown' } end
  return { 'ended', session.packed }
end

-- The end that nothing renews.
local function hard_end(session)
  return session.list[LONGEST] > 0 and session.started + session.list[LONGEST] or math.huge
end

-- When a live session is due next, given its last activity.
local function next_due(session, last_activity)
  local list, due = session.list, hard_end(session)
  if list[STATE] == RESERVED then return math.min(due, session.started + list[RESERVATION]) end
  if list[IDLE] > 0 then due = math.min(due, last_activity + list[IDLE]) end
  return due
end

-- Whether a handover is asked for the session of another user; one that has its new user already is a repeated handover.
local function is_foreign(session, user, new_user)
  return session and not is_of(session, user) and session.list[USER] ~= new_user
end
