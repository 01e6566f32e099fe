#!lua flags=allow-oom
-- First step of giving sessions of another shard users of this one, whatever their limits say: the identity rules have changed. They are on the books here
-- when this returns; then `depart.lua` there. What was interrupted between the two is in both shards, and comes here again.
--
--   ARGV[2...] for each session, at most 25: id, the user that it gets, record, due (ms, or +inf), traffic (MessagePack),
--              until when (ms) the calls of its user are paid for
--
-- Reply: for each: here | taken (another session lives here under its id) | node_lost, node_restarted or completed (the run that holds it is over here, and this is why)

-- @include reading
-- @include endings
-- @include session-json
-- @include runs
local id = ''
-- @include handover
-- @include debts
length = touch_shard()
-- Whether a session here is the one that arrives, which was interrupted before it could leave the other shard.
local function is_same(there, to)
  if not there or not there.live or there.started ~= to.started or there.facts ~= to.facts then return false end
  for _, field in ipairs({ ATTEMPT, USER, NODE, EPOCH }) do
    if there.list[field] ~= to.list[field] then return false end
  end
  return true
end

local reply, arriving = {}, {}
for i = 2, #ARGV, 6 do
  local from, due, traffic = unpack_session(ARGV[i + 2]), ARGV[i + 3] == '+inf' and math.huge or tonumber(ARGV[i + 3]), cmsgpack.unpack(ARGV[i + 4])
  local there, to = read_session(ARGV[i]), changed(from, ARGV[i + 1], '', 0, '')
  local reason = departed_run(to.list)
  local again = is_same(there, to)
  if reason and not again then
    reply[#reply + 1] = reason
  elseif there and (there.live or there.unreadable) and not again then
    reply[#reply + 1] = 'taken'
  else
    reply[#reply + 1] = 'here'
    to.list[OWNERS] = {}
    arriving[#arriving + 1] = { plan_arrival(ARGV[i], to), due, traffic, from.list, again }
    read_debt(ARGV[i + 1], tonumber(ARGV[i + 5]))
  end
end
for _, a in ipairs(arriving) do
  local arrival, due, traffic, from, again = unpack(a)
  if again then -- as it was there at last
    redis.call('SET', arrival.session_key, pack_session(arrival.session))
    redis.call('ZADD', DEADLINES, due_text(due), arrival.id)
    for name, value in pairs(traffic) do redis.call('HSET', arrival.traffic_key, name, value) end
  else
    local user_active = put_on_books(arrival, due, traffic)
    local event_id = arrival.id .. '/' .. string.format('%d', from[ATTEMPT]) .. '/renamed/' .. now_text .. '/' .. string.format('%d', arrival.session.started)
    append_handover('session.authenticated', event_id, arrival, user_active, arrival.id, from)
  end
end
pay_later()
return reply
