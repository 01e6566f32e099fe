-- For the audit, on top of `strays.lua`, `due.lua` and `runs.lua`: what the entries of the indices and the records say of each other. These
-- only read and plan; `mend` writes.

local SUSPECTS = PREFIX .. 'strays'
local MOST_ENDINGS, MOST_MENDS = 16, 100
local found = { ended = 0, restored = 0, removed = 0, recounted = 0 }
local unlinks, commands, touched, stray_homes, stray_plans = {}, {}, {}, {}, {}
local records, unlinked, seen = {}, {}, {}
local returning = {} -- ids that the deadlines did not know: other indices may lack them, too

local function has_room() return #stray_plans < MOST_ENDINGS and #commands < MOST_MENDS end
local function plan(kind, ...)
  commands[#commands + 1] = { ... }
  found[kind] = found[kind] + 1
end

-- A value of a foreign type stands where an index belongs: the index is made anew from the records.
local function unlink(foreign_key)
  if unlinked[foreign_key] then return end
  unlinked[foreign_key], unlinks[#unlinks + 1], counts[foreign_key] = true, foreign_key, 0
  found.removed = found.removed + 1
end

-- Reads of a key that is made anew if it is of a foreign type.
local function read_index(command, index, ...)
  if unlinked[index] then return nil end
  local reply = redis.pcall(command, index, ...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply) end
  unlink(index)
  return nil
end

-- The set of a user or group was looked at: its number in the list of users or groups has to be its size. `said`: what the list says, where
-- that has just been read.
local function touch(index, name, set, said)
  if touched[set] then return end
  counts[set] = counts[set] or read_index('ZCARD', set) or 0
  if said ~= counts[set] then said = tonumber(read_index('ZSCORE', index, name) or 0) end
  touched[set] = { index, name, said }
  if said ~= counts[set] then found.recounted = found.recounted + 1 end
end

local function record_of(id)
  if records[id] == nil then records[id] = read_session(id) or false end
  return records[id] or nil
end

local function record_keys(ids)
  local keys = {}
  for i, id in ipairs(ids) do keys[i] = key('session:', id) end
  return keys
end

-- A stray that an index names; `scope` users, groups, runs, or nil for an index of the whole shard.
local function will_reconcile(id, kind, scope, name, start)
  local home = stray_homes[id]
  if not home then
    home = { id = id, users = {}, groups = {}, runs = {} }
    stray_homes[id], stray_plans[#stray_plans + 1] = home, { home, kind }
    local session = record_of(id)
    local is_leftover = kind == 'ended' and session.list[STATE] == PROVISIONAL and session.facts == '' -- of a stray that this pass has counted
    if kind == 'ended' and not is_leftover then found.removed = found.removed + 1 end
    if redis.call('ZSCORE', SUSPECTS, id) then commands[#commands + 1] = { 'ZREM', SUSPECTS, id } end
  end
  home.started = home.started or start
  if scope then found_in(home, scope, name, start) end
end

-- What stands in the record of a session that belongs to a set. Looking for it takes a tenth of decoding the record; where it is not found the
-- record is decoded.
local function marks_of(scope, name)
  if scope ~= 'runs' then return { cmsgpack.pack(name) } end
  local _, node, epoch = run_key_of(name)
  return { cmsgpack.pack(node) .. cmsgpack.pack(epoch), cmsgpack.pack(node) .. '\203' .. struct.pack('>d', epoch) } -- as Lua and as Node.js write it
end
local LIVE_STATES, USER_BY = { [string.byte(RESERVED)] = true, [string.byte(ACTIVE)] = true }, 21
local function is_marked(packed, marks, scope)
  local list, version, text, state = string.byte(packed, 7, 10)
  if list ~= 157 or version ~= 1 or text ~= 161 or not LIVE_STATES[state] then return false end
  for _, mark in ipairs(marks) do
    local at = string.find(packed, mark, 11, true)
    if at and (scope ~= 'users' or at <= USER_BY) then return true end
  end
  return false
end

local function belongs(list, scope, name)
  if scope == 'users' then return list[USER] == name end
  if scope == 'runs' then return run_name(list[NODE], string.format('%d', list[EPOCH])) == name end
  for _, group in ipairs(list[GROUPS]) do
    if group == name then return true end
  end
  return false
end

-- An entry of an index that is not as it should be at first sight. `is_due`: the deadlines know the session.
local function judge_entry(id, is_due, scope, name, set, start)
  local session = record_of(id)
  local kind = stray_kind(session)
  if kind == 'gone' or kind == 'ended' then
    will_reconcile(id, kind, scope, name, start)
  elseif not kind and scope and not belongs(session.list, scope, name) then
    plan('removed', scope == 'runs' and 'SREM' or 'ZREM', set, id)
    if scope ~= 'runs' then counts[set] = counts[set] - 1 end
  elseif not is_due then
    if not kind then returning[#returning + 1] = id end
    plan('restored', 'ZADD', DEADLINES, kind and '+inf' or due_text(next_due(session, now)), id)
  end
end

-- Writes all that was planned. Returns {id, record} of each session that ended.
local function mend(length)
  local ended = {}
  for i, s in ipairs(stray_plans) do stray_plans[i] = plan_stray(s[1], s[2]) end
  for _, foreign_key in ipairs(unlinks) do redis.call('UNLINK', foreign_key) end
  counts[DEADLINES] = redis.call('ZCARD', DEADLINES)
  for _, stray in ipairs(stray_plans) do
    local packed = reconcile(stray, length)
    if packed then ended[#ended + 1] = { stray.id, packed } end
  end
  for _, command in ipairs(commands) do redis.call(unpack(command)) end
  for set, t in pairs(touched) do
    if counts[set] == 0 then
      redis.call('ZREM', t[1], t[2])
    elseif counts[set] ~= t[3] or #stray_plans > 0 then
      redis.call('ZADD', t[1], counts[set], t[2])
    end
  end
  found.ended = found.ended + #ended
  return ended
end
