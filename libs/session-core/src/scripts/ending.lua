-- What it takes to end a session that is known to live, on top of `record.lua`. `plan_end` only reads, `apply_end` only writes what a plan
-- has read.

local HELD_TOMBSTONE_MS = '86400000' -- endings that Berth decided wait for their node, at most a day
local COMMANDED = PREFIX .. 'commanded'
local GROUPS_INDEX, STARTED = PREFIX .. 'groups', PREFIX .. 'started'
local by_start                       -- whether sessions are also kept in the order of their start, for a total that ends the oldest
local counts = {}                    -- live sessions by index, as read, less what this script has ended; of a run less what it plans to end

local function pack_session(session)
  session.packed = struct.pack(START, session.started) .. cmsgpack.pack(session.list) .. session.facts
  return session.packed
end

-- What is kept of an ended session. A provisional ending may be restored, so its record stays whole. A final one keeps what retries,
-- handovers and acknowledgements need: at most 300 bytes beside ids and user, so that no caller can fill Redis with what is over.
local TOMBSTONE_BYTES = 300
local TOTALS = { 'bytesSent', 'bytesReceived', 'packetsSent', 'packetsReceived' }
local function pack_tombstone(session)
  local list, none = session.list, {}
  if list[STATE] == PROVISIONAL then return pack_session(session) end
  list[GROUPS], list[OWNERS], list[IDLE], list[RESERVATION] = none, none, 0, 0
  local traffic = list[TRAFFIC]
  if next(traffic) and not traffic[1] then
    local totals = {}
    for i, name in ipairs(TOTALS) do totals[i] = tonumber(traffic[name] or 0) end
    if traffic.late or traffic.attempt then totals[5], totals[6] = tonumber(traffic.late or 0), tonumber(traffic.attempt) end
    list[TRAFFIC] = totals
  end
  local tombstone, names = struct.pack(START, session.started) .. cmsgpack.pack(list), #list[USER]
  if list[MOVED_TO] then names = names + #list[MOVED_TO][1] + #list[MOVED_TO][2] end
  if #tombstone - names > TOMBSTONE_BYTES then
    list[NOTE], list[BY] = '', nil
    tombstone = struct.pack(START, session.started) .. cmsgpack.pack(list)
  end
  session.packed = tombstone .. session.facts -- whoever ended it learns what it was
  return tombstone
end

-- Reads what every ending writes of the shard as a whole; the reply is the length of the outbox.
local function touch_shard()
  redis.call('ZCARD', USERS)
  by_start = redis.call('HGET', PREFIX .. 'limits', 'by_start')
  if by_start then redis.call('ZCARD', STARTED) end
  counts[DEADLINES] = redis.call('ZCARD', DEADLINES)
  return redis.call('XLEN', EVENTS)
end

-- @include append-event

local function read_groups(list)
  if #list[GROUPS] == 0 then return end
  redis.call('ZCARD', GROUPS_INDEX)
  for _, group in ipairs(list[GROUPS]) do
    local group_key = key('group_sessions:', group)
    counts[group_key] = counts[group_key] or redis.call('ZCARD', group_key)
  end
end

-- A group's set has one session more, or one less.
local function count_group(group, group_key, by)
  counts[group_key] = counts[group_key] + by
  if counts[group_key] == 0 then redis.call('ZREM', GROUPS_INDEX, group) else redis.call('ZADD', GROUPS_INDEX, counts[group_key], group) end
end

-- A user has one session less. Returns how many are left.
local function leave_user(user, user_key)
  counts[user_key] = counts[user_key] - 1
  local left = string.format('%d', counts[user_key])
  if counts[user_key] == 0 then redis.call('ZREM', USERS, user) else redis.call('ZADD', USERS, left, user) end
  return left
end

-- How many live sessions each group of a session has now, for its event: no field for a session without groups.
local function groups_active(list)
  if #list[GROUPS] == 0 then return {} end
  local active = {}
  for _, group in ipairs(list[GROUPS]) do active[group] = counts[key('group_sessions:', group)] end
  return { 'groupsActive', cjson.encode(active) }
end

-- The totals of a session, for an event: pairs of name and value, those that were reported.
local function total_fields(traffic)
  local fields = {}
  for _, total in ipairs(TOTALS) do
    if traffic[total] then fields[#fields + 1], fields[#fields + 2] = total, traffic[total] end
  end
  return fields
end

-- `by_node`: its node reported the end, nobody has to be told.
local function plan_end(id, session, due, by_node)
  local list, traffic = session.list, read_traffic(id)
  due = due or due_of(id)
  local p = { id = id, session = session, due = due, user_key = list[USER] ~= '' and key('user_sessions:', list[USER]),
    node_key = false, commands_key = false, traffic = traffic, last_activity = last_activity(session, due, traffic) }
  if p.user_key then counts[p.user_key] = counts[p.user_key] or redis.call('ZCARD', p.user_key) end
  if list[NODE] ~= '' then
    p.node_key = key('node_sessions:', list[NODE]) .. ':' .. string.format('%d', list[EPOCH])
    counts[p.node_key] = (counts[p.node_key] or redis.call('SCARD', p.node_key)) - 1
    if counts[p.node_key] <= 0 and list[EPOCH] > 0 then redis.call('ZCARD', noted_runs(list[NODE])) end
    if not by_node then
      p.commands_key = key('commands:', list[NODE])
      redis.call('HLEN', p.commands_key)
      redis.call('ZCARD', COMMANDED)
    end
  end
  read_groups(list)
  return p
end

-- Removes a session from every index that it is in. A removal comes first, so that full memory cannot stop an ending.
-- Returns how many sessions its user has left.
local function take_off_books(p)
  local id, user_key, user = p.id, p.user_key, p.session.list[USER]
  redis.call('ZREM', DEADLINES, id)
  if user_key then redis.call('ZREM', user_key, id) end
  if p.node_key then
    redis.call('SREM', p.node_key, id)
    -- When all that is planned has ended, its run may hold nothing: then it is no longer noted.
    if counts[p.node_key] <= 0 and p.session.list[EPOCH] > 0 and redis.call('EXISTS', p.node_key) == 0 then
      redis.call('ZREM', noted_runs(p.session.list[NODE]), string.format('%d', p.session.list[EPOCH]))
    end
  end
  if by_start then redis.call('ZREM', STARTED, id) end
  for _, group in ipairs(p.session.list[GROUPS]) do
    local group_key = key('group_sessions:', group)
    redis.call('ZREM', group_key, id)
    count_group(group, group_key, -1)
  end
  if next(p.traffic) or has_foreign_traffic then redis.call('DEL', key('traffic:', id)) end
  counts[DEADLINES] = counts[DEADLINES] - 1
  return user_key and leave_user(user, user_key) or '0'
end

-- What ended because its node was silent, or did not name it, may still be alive there: its ending is provisional.
-- `by`: the key or person that had it ended, where there is one.
local function apply_end(p, length, reason, note, tombstone_ms, by)
  local id, session, list, traffic = p.id, p.session, p.session.list, p.traffic
  local user, attempt, started = list[USER], string.format('%d', list[ATTEMPT]), string.format('%d', session.started)
  local user_active = take_off_books(p)

  local provisional = reason == 'node_lost' or reason == 'reconciled'
  list[STATE], list[ENDED_AT], list[REASON], list[NOTE] = provisional and PROVISIONAL or ENDED, now, reason, note
  list[LAST_ACTIVITY], list[TRAFFIC] = p.last_activity, traffic
  if by then list[MOVED_TO], list[BY] = false, by end -- a list without holes: those would make it a map
  local more = groups_active(list)
  redis.call('SET', key('session:', id), pack_tombstone(session), 'PX', tombstone_ms or HELD_TOMBSTONE_MS)
  if p.commands_key then
    redis.call('HSET', p.commands_key, id, cjson.encode({ sessionId = id, attempt = list[ATTEMPT], startedAt = session.started,
      epoch = string.format('%d', list[EPOCH]), reason = reason, at = now }))
    redis.call('PEXPIRE', p.commands_key, HELD_TOMBSTONE_MS)
    redis.call('ZADD', COMMANDED, now_text, list[NODE])
  end
  if note ~= '' then more[#more + 1], more[#more + 2] = 'note', note end
  if by then more[#more + 1], more[#more + 2] = 'by', by end
  if next(traffic) then
    for _, field in ipairs(total_fields(traffic)) do more[#more + 1] = field end
  end
  -- A session may end provisionally more than once, each time another event.
  append_event(length, id .. '/' .. attempt .. '/ended/' .. started .. (provisional and '/' .. now_text or ''), 'session.ended', 'sessionId', id, 'attempt', attempt, 'user', user,
    'node', list[NODE], 'startedAt', started, 'endedAt', now_text, 'reason', reason,
    'userActive', user_active, 'totalActive', string.format('%d', counts[DEADLINES]), unpack(more))
end
