-- For the verbs that may meet a stray, on top of `endings.lua`: an id that an index names although no record of a live session is under it.
-- The record was deleted by a foreign hand or evicted by the server (gone), is not one that can be decoded (unreadable), or says that the
-- session is over (ended). Its places come back, and what had not ended yet ends with what the indices say of it: the user, the start
-- (the score in the set of a user or group), the run of its node.

local MOST_USERS, MOST_GROUPS, MOST_RUNS, MOST_SCORES = 400, 100, 100, 6000
local RUNS = PREFIX .. 'runs'

-- nil for a session that lives.
local function stray_kind(session)
  if not session then return 'gone' end
  if session.unreadable then return 'unreadable' end
  return not session.live and 'ended' or nil
end

local function found_in(home, scope, name, start)
  local names = home[scope]
  for _, known in ipairs(names) do
    if known == name then return end
  end
  names[#names + 1], home.started = name, home.started or start
end

-- A run is named as its set is, `<node>:<epoch>` with the node escaped.
local function run_name(node, epoch) return string.sub(key('', node), #PREFIX + 1) .. ':' .. epoch end
local function run_key_of(run)
  local node, epoch = string.match(run, '^(.*):(%d+)$')
  node = string.gsub(node, '%%(%x%x)', function(hex) return string.char(tonumber(hex, 16)) end)
  return PREFIX .. 'node_sessions:' .. run, node, tonumber(epoch)
end

-- In which sets these ids are, as far as a bounded search finds them: the users with the most sessions, groups, and runs that were seen.
-- Second, whether no user and no group was left out.
local function homes_of(ids)
  local homes = {}
  for i, id in ipairs(ids) do homes[i] = { id = id, users = {}, groups = {}, runs = {} } end
  if #ids == 0 then return homes, true end
  local most = math.min(MOST_USERS, math.floor(MOST_SCORES / #ids))
  local function look_in(index, kind, scope, bound)
    for _, name in ipairs(lenient('ZRANGE', index, 0, bound - 1, 'REV') or {}) do
      for i, start in ipairs(lenient('ZMSCORE', key(kind, name), unpack(ids)) or {}) do
        if start then found_in(homes[i], scope, name, tonumber(start)) end
      end
    end
    return (lenient('ZCARD', index) or 0) <= bound
  end
  local all_users = look_in(USERS, 'user_sessions:', 'users', most)
  local all_groups = look_in(GROUPS_INDEX, 'group_sessions:', 'groups', math.min(MOST_GROUPS, most))
  for _, run in ipairs(lenient('SRANDMEMBER', RUNS, math.min(MOST_RUNS, most)) or {}) do
    for i, member in ipairs(lenient('SMISMEMBER', (run_key_of(run)), unpack(ids)) or {}) do
      if member == 1 then found_in(homes[i], 'runs', run) end
    end
  end
  return homes, all_users and all_groups
end

-- Reads what `apply_stray` writes. `to_command`: its node is to hang it up.
local function plan_stray(home, kind, to_command)
  local id = home.id
  local p = { id = id, home = home, kind = kind, traffic_key = key('traffic:', id), counted = redis.call('ZSCORE', DEADLINES, id) }
  redis.pcall('GET', key('session:', id))
  p.traffic = read_traffic(id)
  p.in_order = lenient('ZSCORE', STARTED, id)
  p.started = home.started or tonumber(p.in_order or nil)
  for _, user in ipairs(home.users) do
    local user_key = key('user_sessions:', user)
    counts[user_key] = counts[user_key] or redis.call('ZCARD', user_key)
  end
  read_groups({ [GROUPS] = home.groups })
  for _, run in ipairs(home.runs) do
    local run_key, node = run_key_of(run)
    redis.call('SCARD', run_key)
    redis.call('ZCARD', noted_runs(node))
  end
  if home.runs[1] then p.run_key, p.node, p.epoch = run_key_of(home.runs[1]) end
  if to_command and p.node then
    p.commands_key = key('commands:', p.node)
    redis.call('HLEN', p.commands_key)
    redis.call('ZCARD', COMMANDED)
  end
  return p
end

-- Returns how many sessions its user has left.
local function take_stray_off(p)
  local id, home, user_active = p.id, p.home, '0'
  redis.call('ZREM', DEADLINES, id)
  if p.counted then counts[DEADLINES] = counts[DEADLINES] - 1 end
  if p.in_order then redis.call('ZREM', STARTED, id) end
  redis.call('DEL', p.traffic_key)
  for i, user in ipairs(home.users) do
    local user_key = key('user_sessions:', user)
    redis.call('ZREM', user_key, id)
    local left = leave_user(user, user_key)
    if i == 1 then user_active = left end
  end
  for _, group in ipairs(home.groups) do
    local group_key = key('group_sessions:', group)
    redis.call('ZREM', group_key, id)
    count_group(group, group_key, -1)
  end
  for _, run in ipairs(home.runs) do
    local run_key, node, epoch = run_key_of(run)
    redis.call('SREM', run_key, id)
    if redis.call('EXISTS', run_key) == 0 then redis.call('ZREM', noted_runs(node), string.format('%d', epoch)) end
  end
  return user_active
end

-- Ends a stray; one whose record says that it had ended only leaves the sets. A reconciled ending is provisional: the call may live, and comes
-- back with the list of its node. `how`: through which attempt a later admission is refused, for how long, by whom it was ended, and the totals that
-- came with the end. Returns what is left under the id, as the reply has it.
local function apply_stray(p, length, reason, note, how)
  local id, home, user_active = p.id, p.home, take_stray_off(p)
  if p.kind == 'ended' then return nil end
  local traffic = {}
  for _, total in ipairs(TOTALS) do
    local most = math.max(tonumber(p.traffic[total]) or 0, tonumber(how.totals and how.totals[total]) or 0)
    if most > 0 then traffic[total] = string.format('%d', most) end
  end
  local user, started = home.users[1], p.started and string.format('%d', p.started)
  local tombstone = { started = p.started or now, facts = '', list = { 1, reason == 'reconciled' and PROVISIONAL or ENDED, how.through or 0,
    user or '', p.node or '', p.epoch or 0, 0, 0, 0, false, home.groups, {}, {}, now, reason, note, now, traffic } }
  local more = groups_active(tombstone.list)
  if how.by then tombstone.list[MOVED_TO], tombstone.list[BY] = false, how.by end
  redis.call('SET', key('session:', id), pack_tombstone(tombstone), 'PX', how.tombstone_ms or HELD_TOMBSTONE_MS)
  if p.commands_key then
    redis.call('HSET', p.commands_key, id, cjson.encode({ sessionId = id, attempt = 0, startedAt = tombstone.started,
      epoch = string.format('%d', p.epoch), reason = reason, at = now }))
    redis.call('PEXPIRE', p.commands_key, HELD_TOMBSTONE_MS)
    redis.call('ZADD', COMMANDED, now_text, p.node)
  end
  local function tell(name, value)
    if value then more[#more + 1], more[#more + 2] = name, value end
  end
  tell('user', user)
  tell('userActive', user and user_active)
  tell('node', p.node)
  tell('startedAt', started)
  tell('by', how.by)
  for total, value in pairs(traffic) do tell(total, value) end
  -- Its attempt is not known: the event ends whichever began then, and without a start the one that has not ended.
  append_event(length, id .. '//ended/' .. (started or '') .. '/' .. now_text, 'session.ended', 'sessionId', id, 'endedAt', now_text,
    'reason', reason, 'note', note, 'totalActive', string.format('%d', counts[DEADLINES]), unpack(more))
  return tombstone.packed
end

local GONE_NOTE, UNREADABLE_NOTE = 'its record was gone', 'its record could not be read'
local function reconcile(p, length)
  return apply_stray(p, length, 'reconciled', p.kind == 'unreadable' and UNREADABLE_NOTE or GONE_NOTE, {})
end
