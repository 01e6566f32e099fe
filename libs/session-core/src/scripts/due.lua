-- For the verbs that move a deadline.

-- When a live session is due next, given its last activity.
local function next_due(session, last_activity)
  local list = session.list
  local due = list[LONGEST] > 0 and session.started + list[LONGEST] or math.huge
  if list[STATE] == RESERVED then return math.min(due, session.started + list[RESERVATION]) end
  if list[IDLE] > 0 then due = math.min(due, last_activity + list[IDLE]) end
  return due
end
