#!lua flags=no-writes
-- Reads the sessions with these ids that are live, as a change of their users needs them.
--
--   ARGV[2...] session ids, at most 100
--
-- Reply: {sessionId, seen, record, due, lastActivity, traffic, until when (ms) the calls of its user are paid for} for each; an error where one of
-- them has a record that cannot be decoded.

-- @include reading
-- @include offers
local reply, paid = {}, {}
for i = 2, #ARGV do
  local session = read_session(ARGV[i])
  if session and session.unreadable then return redis.error_reply('ERR A session has a record that cannot be decoded') end
  if session and session.live then
    local user, due, traffic = session.list[USER], due_of(ARGV[i]), read_traffic(ARGV[i])
    paid[user] = paid[user] or redis.call('GET', key('rates:user:', user)) or '0'
    local live = live_reply(session, due, traffic)
    reply[#reply + 1] = { ARGV[i], seen_of(session, due, traffic), live[2], live[3], live[4], live[5], paid[user] }
  end
end
return reply
