#!lua
-- Takes a node's word that these sessions are alive: those on the books stay, those that are not come (back) onto them. A bounded batch.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] mark (ms): when the node began its list
--   ARGV[5] tombstone (ms)         ARGV[6] on return: over_admit | hang_up
--   ARGV[7...] for each session: id, attempt ('' if not said), start (ms), state ('r', 'a', '' if not said), the record of one never seen,
--              without its start
--
-- Reply: taken | stale-epoch, the present epoch
--
-- Kept aside for the end of the snapshot: which ids were listed, and of these which were adopted, restored, live elsewhere, or
-- are to be hung up. Only then is it known whether so many may be.

-- @include reading
-- @include endings
-- @include due
-- @include commands
-- @include runs
-- @include session-json
-- @include staging
-- @include limits-in-force
-- @include fence
local refused = fenced()
if refused then return refused end
local STAGED_MS = '1200000' -- twice the life of the snapshot's own hash, which take-part writes first: so no list outlives its parts
local hang_up_when_full = ARGV[6] == 'hang_up'
-- What ended after the mark is remembered for a tombstone's time. A list that is older may name what has ended and been forgotten.
local may_adopt = now - mark < tonumber(ARGV[5])

local known, _, lost = known_run(node)
if known and (known > epoch or lost and known == epoch) then return { 'stale-epoch', string.format('%d', known) } end
local length = touch_shard()
for _, written in ipairs({ MISSING, COMMANDED }) do redis.call('ZCARD', written) end
-- A list comes of a run that has beaten: a shard that does not know it has forgotten it.
local new_run, before = not known or known < epoch, nil
if new_run then before = plan_run(node, epoch, known) end
local ids, noted, entering, confirmed = { '' }, { adopted = {}, restored = {}, elsewhere = {}, hang_up = {} }, {}, {}
for _, written in ipairs({ 'listed', 'adopted', 'restored', 'elsewhere', 'hang_up' }) do redis.call('SCARD', staged(written)) end
local begins_run = redis.call('SCARD', RUN) == 0
redis.call('SCARD', PREFIX .. 'runs')

local function note(kind, id) table.insert(noted[kind], id) end

local enforced = redis.call('HGET', PREFIX .. 'limits', 'enabled') == '1'
local function is_full(set_key, names)
  local max, details = in_force(names)
  return not details.observe and max > 0 and counts[set_key] >= max
end

-- Whether one of the limits that a session is under has no place left for it; the reserves of others are not its concern.
local function has_no_room(list, user_key)
  if not enforced then return false end
  local full = is_full(DEADLINES, { 'total' }) or user_key and is_full(user_key, { 'user:' .. list[USER], 'user' })
  for _, group in ipairs(list[GROUPS]) do
    local group_key = key('group_sessions:', group)
    local name = string.sub(group_key, #PREFIX + 16)
    full = full or is_full(group_key, { 'group:' .. name, 'kind:' .. string.match(name, '^[^:]*') })
  end
  return full
end

-- `was`: what the ending of a restored one left behind: its traffic, and its node, which may have a command.
local function plan_entry(kind, id, session, was)
  local list, due = session.list, next_due(session, now)
  local user_key = list[USER] ~= '' and key('user_sessions:', list[USER])
  if due <= now then return note('hang_up', id) end
  if user_key then counts[user_key] = counts[user_key] or redis.call('ZCARD', user_key) end
  read_groups(list)
  local full = has_no_room(list, user_key)
  if full and kind == 'restored' and hang_up_when_full and not list[EMERGENCY] then return note('hang_up', id) end
  counts[DEADLINES] = counts[DEADLINES] + 1
  if user_key then counts[user_key] = counts[user_key] + 1 end
  for _, group in ipairs(list[GROUPS]) do
    local group_key = key('group_sessions:', group)
    counts[group_key] = counts[group_key] + 1
  end
  redis.call('HLEN', key('traffic:', id))
  if was.node then redis.call('HLEN', key('commands:', was.node)) end
  note(kind, id)
  entering[#entering + 1] = { id = id, session = session, due = due, user_key = user_key, was = was,
    active = user_key and counts[user_key] or 0, total = counts[DEADLINES], told = groups_active(list) }
  local told = entering[#entering].told
  if full then told[#told + 1], told[#told + 2] = 'overshoot', 'adoption' end
end

local function restore(id, session, state, record)
  local was = { node = session.list[NODE], traffic = session.list[TRAFFIC] }
  local list = { unpack(session.list, 1, REVOKED) }
  session.list = list
  list[STATE], list[NODE], list[EPOCH] = state == RESERVED and RESERVED or ACTIVE, node, epoch
  local said = unpack_session('......' .. record).list
  if list[RESERVATION] == 0 then list[RESERVATION] = said[RESERVATION] end
  if list[USER] ~= '' and said[USER] ~= '' then list[USER] = said[USER] end -- the identity rules may have changed since it ended
  plan_entry('restored', id, session, was)
end

local function judge_live(id, session, attempt, state)
  local list = session.list
  if list[NODE] ~= node or list[EPOCH] ~= epoch and list[EPOCH] ~= 0 then return note('elsewhere', id) end
  -- Its answer was not reported, or that was lost: else the call would end with its reservation.
  local answered = state == ACTIVE and list[STATE] == RESERVED and (not attempt or attempt == list[ATTEMPT])
  if answered and due_of(id) > now then confirmed[#confirmed + 1] = { id, session } end
end

local function judge(id, attempt, started, state, record)
  local session = read_session(id)
  if session and session.unreadable then return note('elsewhere', id) end
  local list, through = session and session.list, 0
  if list then
    if session.live then return judge_live(id, session, attempt, state) end
    through = list[ATTEMPT]
    local over = not attempt or through == EVERY_ATTEMPT or attempt <= through
    if list[STATE] == WITHDRAWN then
      if attempt and over then return note('hang_up', id) end
    elseif over and (list[STATE] ~= PROVISIONAL or session.facts ~= '') then -- of a stray nothing is left to restore
      -- A list says nothing about what has ended since it was begun: of that the node knows, or has a command.
      if list[ENDED_AT] >= mark and list[ENDED_AT] <= now then return end
      if list[STATE] == PROVISIONAL then return restore(id, session, state, record) end
      local goes_on = list[MOVED_TO] and list[MOVED_TO][1] == id -- with a user of another shard
      return note(goes_on and 'elsewhere' or 'hang_up', id)
    end
  end
  if not may_adopt then return end
  local adopted = unpack_session(struct.pack(START, math.max(0, math.min(started, now))) .. record)
  adopted.list[OWNERS] = {} -- nobody asked for it, so nobody can withdraw it
  if list then
    adopted.list[REVOKED] = list[REVOKED]
    adopted.list[ATTEMPT] = math.max(adopted.list[ATTEMPT], through + 1)
  end
  plan_entry('adopted', id, adopted, { traffic = {} })
end

local seen = {}
for i = 7, #ARGV, 5 do
  local id = ARGV[i]
  if not seen[id] then
    seen[id], ids[#ids + 1] = true, id
    judge(id, tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4])
  end
end

if new_run then replace_run(node, epoch, 0, before, true) end
redis.call('ZREM', MISSING, unpack(ids))
redis.call('SADD', LISTED, unpack(ids))
redis.call('PEXPIRE', LISTED, STAGED_MS)
for kind, of_kind in pairs(noted) do
  if #of_kind > 0 then
    redis.call('SADD', staged(kind), unpack(of_kind))
    redis.call('PEXPIRE', staged(kind), STAGED_MS)
  end
end

for _, c in ipairs(confirmed) do
  local id, session = c[1], c[2]
  local started = string.format('%d', session.started)
  session.list[STATE] = ACTIVE
  redis.call('SET', key('session:', id), pack_session(session))
  redis.call('ZADD', DEADLINES, due_text(next_due(session, now)), id)
  append_event(length, id .. '/' .. string.format('%d', session.list[ATTEMPT]) .. '/confirmed/' .. started, 'session.confirmed',
    'session', session_json(id, session), 'startedAt', started, 'fromState', 'reserved')
end

for _, e in ipairs(entering) do
  local id, session, list = e.id, e.session, e.session.list
  local started, active = string.format('%d', session.started), string.format('%d', e.active)
  redis.call('SET', key('session:', id), pack_session(session))
  redis.call('ZADD', DEADLINES, due_text(e.due), id)
  redis.call('SADD', RUN, id)
  if begins_run then redis.call('SADD', PREFIX .. 'runs', string.sub(RUN, #PREFIX + 15)) end
  if e.user_key then
    redis.call('ZADD', e.user_key, started, id)
    redis.call('ZADD', USERS, active, list[USER])
  end
  if by_start then redis.call('ZADD', STARTED, started, id) end
  for _, group in ipairs(list[GROUPS]) do
    redis.call('ZADD', key('group_sessions:', group), started, id)
    count_group(group, key('group_sessions:', group), 0)
  end
  for total, value in pairs(e.was.traffic) do redis.call('HSET', key('traffic:', id), total, value) end
  if e.was.node then drop_command(e.was.node, id, list[ATTEMPT]) end -- it was not gone after all
  append_event(length, id .. '/' .. string.format('%d/adopted/%d/', list[ATTEMPT], session.started) .. now_text, 'session.adopted',
    'session', session_json(id, session), 'startedAt', started, 'userActive', active,
    'totalActive', string.format('%d', e.total), unpack(e.told))
end
return { 'taken' }
