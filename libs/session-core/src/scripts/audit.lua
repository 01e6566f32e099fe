#!lua flags=allow-oom
-- Compares the indices of a shard with its records, in both directions, a piece at a time, and mends what differs: an entry without a record
-- ends as reconciled, an entry of a session that is another's is removed, a record that an index lacks is put into it, the numbers of
-- users and groups become their sets' sizes. What cannot be read for any other reason than its type stops the piece: it is unknown, not gone.
--
--   ARGV[2] for how long (us)   ARGV[3] rest between two passes (ms)
--
-- A pass begins with the deadlines, and with them the records; then come the sets of users, groups and runs, so that what has no record ends with what
-- they say of it. Its place is kept in the shard: any process goes on where another one stopped. Entries that come or go meanwhile are met or not.
--
-- Reply: resting, ms until the next pass | working or done (the pass), us that it took, 0 where that is not known, then of the pass so far:
-- ended, restored, removed, recounted; then {sessionId, record} of each session that ended.

-- @include reading
-- @include endings
-- @include strays
-- @include due
-- @include runs
-- @include audit-checks
-- @include audit-records
-- The time that a script has taken is in TIME up to Redis 7.0 and in os.clock from 7.4 on. Where neither moves the number of entries is the bound.
local has_clock, os_clock = pcall(function() return os.clock end)
local function clock()
  if has_clock then return os_clock() * 1e6 end
  local time = redis.call('TIME')
  return time[1] * 1e6 + time[2]
end
local started_at, budget, rest = clock(), tonumber(ARGV[2]), tonumber(ARGV[3])
local AUDIT, OFFERS, OFFERS_DUE = PREFIX .. 'audit', PREFIX .. 'offers', PREFIX .. 'offers_due'
local PAGE, MOST_ENTRIES, LARGE, CLOCK_EVERY = 100, 400, 20000, 20

-- 1. Where the pass is.
for index, size in pairs({ [AUDIT] = 'HLEN', [USERS] = 'ZCARD', [GROUPS_INDEX] = 'ZCARD', [RUNS] = 'SCARD', [NODES] = 'HLEN', [BEGUN] = 'HLEN', [DEPARTED] = 'ZCARD',
  [STARTED] = 'ZCARD', [COMMANDED] = 'ZCARD', [OFFERS] = 'HLEN', [OFFERS_DUE] = 'ZCARD', [PREFIX .. 'claims'] = 'ZCARD',
  [PREFIX .. 'refusals'] = 'HLEN', [PREFIX .. 'creations'] = 'HLEN', [PREFIX .. 'pulse'] = 'HLEN', [PREFIX .. 'limits'] = 'HLEN',
  [PREFIX .. 'late'] = 'HLEN', [PREFIX .. 'rejections'] = 'XLEN' }) do
  read_index(size, index)
end
local length, live, suspected = read_index('XLEN', EVENTS) or 0, read_index('ZCARD', DEADLINES) or 0, (read_index('ZCARD', SUSPECTS) or 0) > 0
local state = unlinked[AUDIT] and {} or redis.call('HMGET', AUDIT, 'place', 'began', 'finished', 'ended', 'restored', 'removed', 'recounted')
local place, began, finished = state[1] and cmsgpack.unpack(state[1]), tonumber(state[2] or now), tonumber(state[3] or 0)
if #unlinks == 0 and not place and finished <= now and now - finished < rest then return { 'resting', string.format('%d', finished + rest - now) } end
local sums = { tonumber(state[4] or 0), tonumber(state[5] or 0), tonumber(state[6] or 0), tonumber(state[7] or 0) }
if not place then place, began, sums = { stage = 1, cursor = '0', names = {}, inner = '0', pages = 0 }, now, { 0, 0, 0, 0 } end

-- 2. What a pass goes through: ids, or lists of the names of sets.
local entries = 0
local function every_second(flat)
  local firsts = {}
  for i = 1, #flat, 2 do firsts[(i + 1) / 2] = flat[i] end
  return firsts
end
local function dues_of(ids) return #ids > 0 and read_index('ZMSCORE', DEADLINES, unpack(ids)) or {} end
local STAGES = {
  { DEADLINES, 'ZSCAN', function(flat) check_records(every_second(flat)) end },
  { USERS, 'ZSCAN', nil, 'users', 'user_sessions:' },
  { GROUPS_INDEX, 'ZSCAN', nil, 'groups', 'group_sessions:' },
  { NODES, 'HSCAN', nil, 'runs', function(node, run)
    check_node(node)
    return run_name(node, string.match(run, '^%d*'))
  end },
  { DEPARTED, 'ZSCAN', nil, 'runs', function(run)
    local node, epoch = string.match(run, '^[a-z_]+=?[^:]*:(.*):(%d+)$')
    return node and run_name(node, epoch)
  end },
  { RUNS, 'SSCAN', nil, 'runs' },
  { STARTED, 'ZSCAN', function(flat)
    local ids = every_second(flat)
    for i, due in ipairs(dues_of(ids)) do
      if not due then judge_entry(ids[i], false, nil, nil, nil, tonumber(flat[2 * i])) end
    end
  end },
  { SUSPECTS, 'ZSCAN', function(flat) -- what no set has named ends with what is known
    for _, id in ipairs(every_second(flat)) do
      local kind = stray_kind(record_of(id))
      if (kind == 'gone' or kind == 'ended') and dues_of({ id })[1] then
        will_reconcile(id, kind)
      else
        commands[#commands + 1] = { 'ZREM', SUSPECTS, id }
      end
    end
  end },
  { OFFERS, 'HSCAN', function(flat) -- without its moment nobody brings a handover to its end
    for _, id in ipairs(every_second(flat)) do
      if not redis.call('ZSCORE', OFFERS_DUE, id) then plan('restored', 'ZADD', OFFERS_DUE, now_text, id) end
    end
  end },
}

-- How the next page of a set is looked at: compared with its records, asked of the deadlines alone, or not at all.
--
-- In a large shard every fourth page is compared with its records: that a member is another's is rarer than anything. Of the others it is asked
-- whether the deadlines know them, whose records the pass has just read; of groups and runs not even that, as long as the pass has found nothing.
local function next_look(scope)
  place.pages = (place.pages + 1) % 4
  if live <= LARGE or place.pages == began % 4 then return 'compared' end
  if scope == 'users' then return 'asked' end
  local is_calm = not suspected and sums[1] + sums[2] + sums[3] + found.ended + found.restored + found.removed == 0
  return not is_calm and 'asked' or nil
end

-- A page of a set: ids, whether it is the whole set. Most users have few sessions, and theirs come by one cheap command.
local function read_page(set, is_run)
  if place.inner == '0' and not is_run then
    local ids = read_index('ZRANGE', set, 0, PAGE - 1) or {}
    if #ids < PAGE then return ids, true end
  end
  local page = read_index(is_run and 'SSCAN' or 'ZSCAN', set, place.inner, 'COUNT', PAGE) or { '0', {} }
  local is_whole = place.inner == '0' and page[1] == '0'
  place.next = page[1]
  return is_run and page[2] or every_second(page[2]), is_whole
end

-- Looks closely at those members of a set that are not as they should be. Returns false if there was no room for all.
local function judge_members(look, ids, scope, name, set, index, said)
  local dues, doubts = dues_of(ids), suspected and redis.call('ZMSCORE', SUSPECTS, unpack(ids))
  local is_compared = look == 'compared'
  local packed, marks = is_compared and redis.call('MGET', unpack(record_keys(ids))), is_compared and marks_of(scope, name)
  for i, id in ipairs(ids) do
    if not dues[i] or doubts and doubts[i] or packed and not (packed[i] and is_marked(packed[i], marks, scope)) then
      if not has_room() then return false end
      local start
      if scope ~= 'runs' then
        touch(index, name, set, said)
        start = tonumber(read_index('ZSCORE', set, id) or nil)
      end
      judge_entry(id, dues[i], scope, name, set, start)
    end
  end
  return true
end

-- A page of a set; one that had too much to mend is gone through again.
local function look_at_set(stage, name)
  local scope, index, said = stage[4], stage[1], place.said and place.said[name]
  local is_run, set = scope == 'runs', scope == 'runs' and run_key_of(name) or key(stage[5], name)
  place.next = '0'
  local ids, is_whole = read_page(set, is_run)
  if not is_run and not (is_whole and said == (counts[set] or #ids)) then touch(index, name, set, said) end
  local look = #ids > 0 and next_look(scope)
  entries = entries + 1 + (look and #ids or #ids / 3) -- one that is only read takes a third of the time
  if look and not judge_members(look, ids, scope, name, set, index, said) then return end
  if is_run and is_whole and #ids == 0 then forget_run(name) end
  place.inner = place.next
  if place.inner == '0' then table.remove(place.names) end
end

-- 3. As much as there is time for.
-- What stands where an index belongs goes first: then everything may be read.
local is_over = #unlinks > 0
local function step()
  local stage = STAGES[place.stage]
  if #place.names > 0 then return look_at_set(stage, place.names[#place.names]) end
  if place.cursor == 'end' then
    place.stage, place.cursor = place.stage + 1, '0'
    is_over = #commands + #stray_plans > 0 -- what the next stage reads has to be written first
    return
  end
  local page = read_index(stage[2], stage[1], place.cursor, 'COUNT', PAGE) or { '0', {} }
  entries = entries + 1
  if stage[3] then
    entries = entries + #page[2] / 2
    stage[3](page[2])
  else
    place.said = {}
    for i = 1, #page[2], stage[2] == 'SSCAN' and 1 or 2 do
      local name = page[2][i]
      if type(stage[5]) == 'function' then name = stage[5](name, page[2][i + 1]) end
      if name and (stage[4] ~= 'runs' or string.find(name, ':%d+$')) then place.names[#place.names + 1] = name end
      if stage[2] == 'ZSCAN' and name then place.said[name] = tonumber(page[2][i + 1]) end
    end
  end
  place.cursor = page[1] == '0' and 'end' or page[1]
end
local clock_due = CLOCK_EVERY
local function is_late()
  if entries < clock_due then return false end
  clock_due = entries + CLOCK_EVERY
  return clock() - started_at >= budget
end
while not is_over do
  step()
  if returning[1] then
    check_records(returning)
    returning = {}
  end
  is_over = is_over or place.stage > #STAGES or not has_room() or entries >= MOST_ENTRIES or is_late()
end

-- 4. The writes.
local ended, done = mend(length), place.stage > #STAGES
place.said, place.next = nil, nil
for i, kind in ipairs({ 'ended', 'restored', 'removed', 'recounted' }) do sums[i] = sums[i] + found[kind] end
redis.call('HSET', AUDIT, 'began', string.format('%d', began), 'ended', sums[1], 'restored', sums[2], 'removed', sums[3], 'recounted', sums[4])
if done then
  redis.call('HSET', AUDIT, 'finished', now_text, 'drift', sums[1] + sums[2] + sums[3] + sums[4])
  redis.call('HDEL', AUDIT, 'place')
else
  redis.call('HSET', AUDIT, 'place', cmsgpack.pack(place))
end
local reply = { done and 'done' or 'working', string.format('%d', clock() - started_at), sums[1], sums[2], sums[3], sums[4] }
for _, one in ipairs(ended) do reply[#reply + 1] = one end
return reply
