#!lua flags=no-writes
-- Reads the records of the sessions with these ids, those that are live still.
--
--   ARGV[2...] session ids, at most 100
--
-- Reply: {sessionId, record, due, lastActivity, traffic} for each; {sessionId, due} for one whose record cannot be decoded.

-- @include reading
local reply = {}
for i = 2, #ARGV do
  local session = read_session(ARGV[i])
  if session and session.live then
    local live = live_reply(session, due_of(ARGV[i]), read_traffic(ARGV[i]))
    live[1] = ARGV[i]
    reply[#reply + 1] = live
  elseif session and session.unreadable then
    reply[#reply + 1] = { ARGV[i], due_text(due_of(ARGV[i])) }
  end
end
return reply
