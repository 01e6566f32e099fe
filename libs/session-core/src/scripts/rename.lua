#!lua flags=allow-oom
-- Gives live sessions of this shard other users of this shard, whatever their limits say: the identity rules have changed. Start, deadlines, totals and
-- groups stay. A session that has another user than was looked at is left as it is.
--
--   ARGV[2...] for each session, at most 25: id, user, the user that it gets, until when (ms) the calls of its user are paid for
--
-- Reply: how many have another user now

-- @include reading
-- @include endings
-- @include session-json
-- @include runs
local id = ''
-- @include handover
-- @include debts
length = touch_shard()
local renamings = {}
for i = 2, #ARGV, 4 do
  local session, was, is = read_session(ARGV[i]), ARGV[i + 1], ARGV[i + 2]
  if session and session.live and session.list[USER] == was and was ~= is then
    local from_key, to_key = key('user_sessions:', was), key('user_sessions:', is)
    for _, user_key in ipairs({ from_key, to_key }) do counts[user_key] = counts[user_key] or redis.call('ZCARD', user_key) end
    read_groups(session.list)
    read_debt(is, tonumber(ARGV[i + 3]))
    renamings[#renamings + 1] = { ARGV[i], session, changed(session, is, '', 0, ''), from_key, to_key }
  end
end
for _, r in ipairs(renamings) do
  local session_id, session, to, from_key, to_key = unpack(r)
  local list, started = session.list, string.format('%d', session.started)
  redis.call('ZREM', from_key, session_id)
  redis.call('ZADD', to_key, started, session_id)
  redis.call('SET', key('session:', session_id), pack_session(to))
  counts[from_key], counts[to_key] = counts[from_key] - 1, counts[to_key] + 1
  local left, active = string.format('%d', counts[from_key]), string.format('%d', counts[to_key])
  if counts[from_key] == 0 then redis.call('ZREM', USERS, list[USER]) else redis.call('ZADD', USERS, left, list[USER]) end
  redis.call('ZADD', USERS, active, to.list[USER])
  local event_id = session_id .. '/' .. string.format('%d', list[ATTEMPT]) .. '/renamed/' .. now_text .. '/' .. started
  append_handover('session.authenticated', event_id, { id = session_id, session = to }, active, session_id, list, left)
end
pay_later()
return #renamings
