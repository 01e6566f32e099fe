-- For the audit, on top of `audit-checks.lua`: from records to indices. A page of live sessions is gathered by the groups and runs that they have
-- to be in, so that one command asks for all members of a set. Hardly two of a page are of one user: of those one is asked for at a time, which
-- takes a third less.

local placed = { groups = {}, runs = {} }
local user_names, user_ids, user_starts = {}, {}, {}
local placing -- the number of the record that is being looked at
local function place_in(of, name, id, start)
  local members = of[name]
  if not members then
    members = { {}, {} }
    of[name] = members
  end
  local n = #members[1] + 1
  members[1][n], members[2][n] = id, start
end

-- The live session in a packed record, without making a table of it: a third of the time. False where there is none at first sight; raises an
-- error for what cannot be decoded.
local function place_packed(id, packed)
  local _, version, state, _, user, node, epoch, _, _, _, _, groups = cmsgpack.unpack_limit(packed, 11, 7)
  if version ~= 1 or state ~= RESERVED and state ~= ACTIVE or type(user) ~= 'string' or type(node) ~= 'string'
    or type(epoch) ~= 'number' or type(groups) ~= 'table' then return false end
  local start = struct.unpack(START, packed)
  if user ~= '' then
    local n = #user_names + 1
    user_names[n], user_ids[n], user_starts[n] = user, id, start
  end
  if groups[1] then
    for _, group in ipairs(groups) do place_in(placed.groups, group, id, start) end
  end
  if node ~= '' then
    local runs = placed.runs[node]
    if not runs then
      runs = {}
      placed.runs[node] = runs
    end
    local ids = runs[epoch]
    if ids then ids[#ids + 1] = id else runs[epoch] = { id } end
  end
  return true
end

-- Places all of a page from this one on; returns at the first that is none, with its number. One `pcall` serves many records.
local function place_from(first, ids, packed)
  for i = first, #ids do
    placing = i
    if not packed[i] or not place_packed(ids[i], packed[i]) then return i end
  end
end

-- A session that has to be in the set of a user or a group, and what that set says of it.
local function check_score(score, index, name, set, id, start)
  if score and tonumber(score) == start then return end
  touch(index, name, set)
  plan('restored', 'ZADD', set, string.format('%d', start), id)
  if not score then counts[set] = counts[set] + 1 end
end

-- Users or groups that have sessions have to be in the list of theirs.
local function check_listed(index, names, kind)
  local said = #names > 0 and read_index('ZMSCORE', index, unpack(names)) or {}
  for i, name in ipairs(names) do
    if not said[i] then touch(index, name, key(kind, name)) end
  end
end

local function check_users()
  for i, user in ipairs(user_names) do
    local set = key('user_sessions:', user)
    local score = redis.pcall('ZSCORE', set, user_ids[i])
    if not score or tonumber(score) ~= user_starts[i] then
      if type(score) == 'table' then score = read_index('ZSCORE', set, user_ids[i]) end
      check_score(score, USERS, user, set, user_ids[i], user_starts[i])
    end
  end
  check_listed(USERS, user_names, 'user_sessions:')
  user_names, user_ids, user_starts = {}, {}, {}
end

local function check_groups()
  local names = {}
  for group, members in pairs(placed.groups) do
    names[#names + 1] = group
    local set, ids, starts = key('group_sessions:', group), members[1], members[2]
    local scores = read_index('ZMSCORE', set, unpack(ids)) or {}
    for i, id in ipairs(ids) do check_score(scores[i], GROUPS_INDEX, group, set, id, starts[i]) end
  end
  check_listed(GROUPS_INDEX, names, 'group_sessions:')
end

-- What a node is still to do has to be found by whoever brings it there.
local function check_node(node)
  if seen[node] then return end
  seen[node] = true
  read_index('ZCARD', noted_runs(node))
  local to_do = read_index('HLEN', key('commands:', node))
  if to_do and to_do > 0 and not read_index('ZSCORE', COMMANDED, node) then plan('restored', 'ZADD', COMMANDED, now_text, node) end
end

-- Sessions that have to be in the set of their run. One that is over has to be on its way to its end.
local function check_run(node, epoch, ids)
  local suffix = ':' .. string.format('%d', epoch)
  local run_key = key('node_sessions:', node) .. suffix
  local held = read_index('SMISMEMBER', run_key, unpack(ids)) or {}
  for i, id in ipairs(ids) do
    if held[i] ~= 1 then plan('restored', 'SADD', run_key, id) end
  end
  if seen[run_key] then return end
  seen[run_key] = true
  check_node(node)
  local name = string.sub(run_key, #PREFIX + 15)
  if redis.call('SISMEMBER', RUNS, name) == 0 then commands[#commands + 1] = { 'SADD', RUNS, name } end -- nobody but the audit needs it
  local noted = epoch > 0 and not known_run(node) and noted_runs(node)
  if noted and not read_index('ZSCORE', noted, run_text(epoch)) then plan('restored', 'ZADD', noted, note_score(epoch), run_text(epoch)) end
  local reason = departed_run({ [NODE] = node, [EPOCH] = epoch })
  if not reason then return end
  local departing = redis.call('ZMSCORE', DEPARTED, 'node_restarted:' .. node .. suffix, reason .. ':' .. node .. suffix)
  if not departing[1] and not departing[2] then plan('restored', 'ZADD', DEPARTED, now_text, reason .. ':' .. node .. suffix) end
end

-- A run that holds nothing.
local function forget_run(name)
  commands[#commands + 1] = { 'SREM', RUNS, name }
  local _, node, epoch = run_key_of(name)
  local noted = noted_runs(node)
  if read_index('ZSCORE', noted, run_text(epoch)) then commands[#commands + 1] = { 'ZREM', noted, run_text(epoch) } end
end

-- A page of ids that the deadlines have. What has no record is a suspect from now on: the sets that the pass goes through next say more of it.
local function check_records(ids)
  if #ids == 0 then return end
  local packed = redis.call('MGET', unpack(record_keys(ids)))
  local from = 1
  while from <= #ids do
    local is_decoded, odd = pcall(place_from, from, ids, packed)
    if not is_decoded then odd = placing end
    if not odd then break end
    local kind = stray_kind(record_of(ids[odd]))
    if (kind == 'gone' or kind == 'ended') and not redis.call('ZSCORE', SUSPECTS, ids[odd]) then
      commands[#commands + 1] = { 'ZADD', SUSPECTS, now_text, ids[odd] }
    end
    from = odd + 1
  end
  check_users()
  check_groups()
  for node, epochs in pairs(placed.runs) do
    for epoch, members in pairs(epochs) do check_run(node, epoch, members) end
  end
  placed = { groups = {}, runs = {} }
end
