#!lua flags=no-writes
-- Reads a session. One that is due but not yet swept is shown as the books have it: still holding its place.
--
--   ARGV[2] sessionId   ARGV[3] its user, '' if not said
--
-- Reply: live (record, due, lastActivity, traffic) | ended (record) | unreadable (due) | unknown

-- @include reading
local session = read_session(ARGV[2])
if session and session.unreadable then
  local is_its = ARGV[3] == '' or lenient('ZSCORE', key('user_sessions:', ARGV[3]), ARGV[2])
  return is_its and { 'unreadable', due_text(due_of(ARGV[2])) } or { 'unknown' }
end
if session == nil or session.list[STATE] == WITHDRAWN or not is_of(session, ARGV[3]) then return { 'unknown' } end
if not session.live then return { 'ended', session.packed } end
return live_reply(session, due_of(ARGV[2]), read_traffic(ARGV[2]))
