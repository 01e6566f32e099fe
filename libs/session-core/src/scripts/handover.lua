-- For the verbs that give a live session another user, node or id: what they have in common, on top of `endings.lua`, `runs.lua` and
-- `session-json.lua`. Of the verb they use `id`, the id that they were asked about.

local OFFERS = PREFIX .. 'offers'
local user, version, of_user
local victims, ends, overshoot, observed, length = 0, {}, nil, '', 0
-- @include room
-- @include leaving

-- Reads the limit of a user who is to get a session more; false if the shard has no limits yet. What else the session is under it is under
-- already: the total, its groups.
local function read_limit(name)
  local said = redis.call('HMGET', PREFIX .. 'limits', 'version' .. CALLERS_MARK, 'enabled', 'action')
  if not said[1] then return false end
  local max, details = in_force({ 'user:' .. name, 'user' })
  local user_sessions = key('user_sessions:', name)
  user, version = name, said[1]
  of_user = check_limit('user', name, user_sessions, redis.call('ZCARD', user_sessions), said[2] == '1' and max or 0, said[3], details, {})
  return true
end

-- Why no session may come under this id: id-taken, id-ended; nil if it may. One that left this shard, or whose end here was provisional,
-- may come back.
local function occupied(session_id, attempt)
  local there = read_session(session_id)
  if not there then return nil end
  if there.unreadable then return 'id-taken' end
  local list = there.list
  if there.live then
    local due = due_of(session_id)
    return due <= now and not is_deferred(there, due) and 'id-ended' or 'id-taken'
  end
  if session_id == id and (list[STATE] == PROVISIONAL or list[MOVED_TO] and list[MOVED_TO][1] == id) then return nil end
  if list[ATTEMPT] ~= EVERY_ATTEMPT and attempt > list[ATTEMPT] and (list[STATE] == WITHDRAWN or session_id == id) then return nil end
  return 'id-ended'
end

-- The session as it will be: what is said replaces what it has. A node is said with its epoch, 0 if it is not watched.
-- A new id begins with its first attempt, owned by nobody.
local function changed(session, said_user, node, epoch, new_id)
  local list = { unpack(session.list, 1, REVOKED) }
  if said_user ~= '' then list[USER] = said_user end
  if node ~= '' then list[NODE], list[EPOCH] = node, epoch end
  if new_id ~= '' then list[ATTEMPT], list[OWNERS], list[REVOKED] = 1, {}, {} end
  return { list = list, live = true, started = session.started, facts = session.facts }
end

-- Reads what `put_on_books` writes.
local function plan_arrival(session_id, session)
  local list = session.list
  local a = { id = session_id, session = session, session_key = key('session:', session_id), traffic_key = key('traffic:', session_id) }
  redis.call('GET', a.session_key)
  redis.call('HLEN', a.traffic_key)
  if list[USER] ~= '' then
    a.user_key = key('user_sessions:', list[USER])
    counts[a.user_key] = counts[a.user_key] or redis.call('ZCARD', a.user_key)
  end
  if list[NODE] ~= '' then
    a.node_key = key('node_sessions:', list[NODE]) .. ':' .. string.format('%d', list[EPOCH])
    if redis.call('SCARD', a.node_key) == 0 then a.run = string.sub(a.node_key, #PREFIX + 15) end
    redis.call('SCARD', PREFIX .. 'runs')
    if list[EPOCH] > 0 and not known_run(list[NODE]) then
      a.noted = noted_runs(list[NODE])
      redis.call('ZCARD', a.noted)
    end
  end
  read_groups(list)
  return a
end

-- Returns how many sessions its user has now.
local function put_on_books(a, due, traffic)
  local session, started = a.session, string.format('%d', a.session.started)
  redis.call('SET', a.session_key, pack_session(session))
  redis.call('ZADD', DEADLINES, due_text(due), a.id)
  if a.node_key then redis.call('SADD', a.node_key, a.id) end
  if a.noted then redis.call('ZADD', a.noted, note_score(session.list[EPOCH]), run_text(session.list[EPOCH])) end
  if a.run then redis.call('SADD', PREFIX .. 'runs', a.run) end
  if by_start then redis.call('ZADD', STARTED, started, a.id) end
  for _, group in ipairs(session.list[GROUPS]) do
    local group_key = key('group_sessions:', group)
    redis.call('ZADD', group_key, started, a.id)
    count_group(group, group_key, 1)
  end
  local flat = {}
  for name, value in pairs(traffic) do
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  if #flat > 0 then redis.call('HSET', a.traffic_key, unpack(flat)) end
  counts[DEADLINES] = counts[DEADLINES] + 1
  if not a.user_key then return '0' end
  counts[a.user_key] = counts[a.user_key] + 1
  local user_active = string.format('%d', counts[a.user_key])
  redis.call('ZADD', a.user_key, started, a.id)
  redis.call('ZADD', USERS, user_active, session.list[USER])
  return user_active
end

-- Tells the outbox that a session has another user, node or id. `from` is the list that it had, `from_active` what the old user has left
-- where that is known here.
local function append_handover(kind, event_id, a, user_active, from_id, from, from_active)
  local list = a.session.list
  local fields = groups_active(list)
  local function tell(name, before, after)
    if before == after then return end
    fields[#fields + 1] = name
    fields[#fields + 1] = before
  end
  tell('fromUser', from[USER], list[USER])
  if from_active and from[USER] ~= list[USER] then tell('fromUserActive', from_active) end
  tell('fromNode', from[NODE], list[NODE])
  tell('fromEpoch', string.format('%d', from[EPOCH]), string.format('%d', list[EPOCH]))
  tell('fromId', from_id, a.id)
  if overshoot then tell('overshoot', overshoot) end
  append_event(length, event_id, kind, 'session', session_json(a.id, a.session), 'startedAt', string.format('%d', a.session.started),
    'userActive', user_active, 'totalActive', string.format('%d', counts[DEADLINES]), unpack(fields))
end

-- The answer to a handover that took place in this step: limit, victims, then the session as `live` of the other verbs.
local function moved_reply(a, due, traffic)
  return { 'moved', of_user and of_user.max or 0, a.user_key and counts[a.user_key] or 0, version or 0, victims_reply({}),
    unpack(live_reply(a.session, due, traffic), 2) }
end

-- Gives a live session another user, node or id within this shard, in one step.
local function hand_over(kind, event_id, plan, to, to_id, tombstone_ms)
  local from, traffic, due = plan.session.list, plan.traffic, plan.due
  local before = { unpack(from, 1, REVOKED) }
  local arrival, left = plan_arrival(to_id, to), nil
  apply_planned(tombstone_ms)
  if to_id ~= plan.id then left = leave(plan, length, to_id, to.list[USER], tombstone_ms) else left = take_off_books(plan) end
  local user_active = put_on_books(arrival, due, traffic)
  append_handover(kind, event_id, arrival, user_active, plan.id, before, left)
  return moved_reply(arrival, due, traffic)
end
