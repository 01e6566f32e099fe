#!lua
-- Decides whether a session may start, and if so puts it on the books. All or nothing, in one step.
--
--   KEYS[3] session    KEYS[4] user_sessions    KEYS[5] node_sessions, absent for a session without a node
--   ARGV[2] sessionId  ARGV[3] user (canonical)  ARGV[4] mode: admit | check (answers the same, changes nothing) | started (whatever
--                                                      the limits say)
--   ARGV[5] due first, ms after the start (0: never)
--   ARGV[6] the record without its start          ARGV[7] tombstone (ms)
--   ARGV[8] event id without its time   ARGV[9] event type         ARGV[10] the session as JSON, for the event
--   ARGV[11] node, '' for none                                     ARGV[12] its epoch, 0 if it is not said
--   ARGV[13] class of the user, as the admission says              ARGV[14] source address as rates know it, '' for none
--   ARGV[15...] for each group, those that it is within included: escaped, as it is, the group that it is within ('' for none)
--
-- Reply, by its first word:
--   admitted   start, due, limits version, counts, observed, victims {id, node, start}...
--   overtaken  the traffic that came before it, then as `admitted`
--   repeated   limits version, counts, then as `live` of the other verbs: record, due, lastActivity, traffic
--   rejected   limits version, the full limits as JSON
--   regroup    for each group the one that it is within now: ask again with those
--   join       the epoch of the run that beats: ask again with that
--   ended [record]   conflict   withdrawn   no-limits   stale-epoch, the present epoch   future-epoch, epoch, now   node-draining
--
-- `counts` is max and active of the user, of the total, of each group; `observed` the limits that were full and only measured, as JSON.
--
-- Order: the id decides (lives, ended, other user); then the node's run; then every limit; then the writes. A new attempt of a live id takes its
-- place: the old attempt ends and is not counted beside it.

local id, user, dry = ARGV[2], ARGV[3], ARGV[4] == 'check'
local user_sessions, node_sessions = KEYS[4], KEYS[5]

local group_fields = {}
for i = 15, #ARGV, 3 do
  local n = #group_fields
  group_fields[n + 1], group_fields[n + 2], group_fields[n + 3] = 'group:' .. ARGV[i], 'kind:' .. string.match(ARGV[i], '^[^:]*'), 'parent:' .. ARGV[i]
end
local limits = redis.call('HMGET', PREFIX .. 'limits', 'version' .. CALLERS_MARK, 'enabled', 'rated', 'total', 'user:' .. user, 'class:' .. ARGV[13], 'user',
  'by_start', 'early_until', unpack(group_fields))
if not limits[1] then return { 'no-limits' } end
local version, enforced = limits[1], limits[2] == '1'
local held, total, length = redis.call('ZCARD', user_sessions), redis.call('ZCARD', DEADLINES), redis.call('XLEN', EVENTS)
local session = redis.pcall('GET', KEYS[3])
local is_overtaken = false -- by activity that was published
if limits[9] and tonumber(limits[9]) > now then
  local early = PREFIX .. 'early:' .. string.sub(KEYS[3], #PREFIX + 9) .. ':'
  is_overtaken = redis.call('EXISTS', early, early .. string.sub(ARGV[8], #id + 2, -11)) > 0 -- ARGV[8] has the attempt behind the id
end
local run, is_draining = false, false
if ARGV[11] ~= '' then
  run, is_draining = redis.call('HGET', PREFIX .. 'nodes', ARGV[11]), redis.call('SISMEMBER', PREFIX .. 'draining', ARGV[11]) == 1
end

-- Max and active of each limit. A limit with details has no number in its place, and is looked at closely.
local max, total_max = tonumber(limits[5] or limits[6] or limits[7]), tonumber(limits[4])
local group_max, group_held, regrouped = {}, {}, false
local detailed, emergency = not max or not total_max, false
local crowded = detailed or (max > 0 and user ~= '' and held >= max) or (total_max > 0 and total >= total_max)
for i = 15, #ARGV, 3 do
  local n = #group_held + 1
  group_max[n] = tonumber(limits[7 + 3 * n] or limits[8 + 3 * n] or 0)
  group_held[n] = redis.call('ZCARD', PREFIX .. 'group_sessions:' .. ARGV[i])
  detailed, emergency = detailed or not group_max[n], emergency or ARGV[i + 1] == 'priority:emergency'
  crowded = crowded or not group_max[n] or (group_max[n] > 0 and group_held[n] >= group_max[n])
  regrouped = regrouped or (limits[9 + 3 * n] or '') ~= ARGV[i + 2]
end
if regrouped then
  local reply = { 'regroup' }
  for n = 1, #group_held do reply[n + 1] = limits[9 + 3 * n] or '' end
  return reply
end

local active, victims, record = held, 0, ARGV[6]
local ends, apply_ends, write_event, overshoot, observed = {}, nil, nil, nil, '' -- what ends in this step; how, where it is looked at closely
local take_early, traffic -- activity that came before its start
local rates_full, take_rates
if limits[3] then
-- @include rates
end

local may_refuse = enforced and (crowded or rates_full)
if may_refuse and not detailed and not session and not emergency and not is_draining and ARGV[4] ~= 'started' and (not run or run == ARGV[12])
  and length < EVENTS_BOUND then
-- @include refuse-plainly
end
-- Most admissions meet an id never seen, a node's present run, limits with room and an outbox that needs no trimming. The others are
-- looked at closely.
if session or is_overtaken or ARGV[4] == 'started' or is_draining or (run and run ~= ARGV[12]) or may_refuse or length >= EVENTS_BOUND then
-- @include reading
-- @include endings
-- @include runs
-- @include room
-- @include tokens
-- @include admit-closely
end

-- On the books.
local after = tonumber(ARGV[5])
local due = after > 0 and string.format('%d', now + after) or '+inf'
local user_active, total_active = user == '' and 0 or active + 1, total - #ends + 1
local counts_now = { max or 0, user_active, total_max or 0, total_active }
for n = 1, #group_held do
  group_held[n] = group_held[n] + 1
  counts_now[3 + 2 * n], counts_now[4 + 2 * n] = group_max[n] or 0, group_held[n]
end
local reply = { 'admitted', now_text, due, version, counts_now, observed }
for i = #ends - victims + 1, #ends do
  local plan = ends[i][1]
  reply[#reply + 1] = { plan.id, plan.session.list[NODE], string.format('%d', plan.session.started) }
end
if traffic then
  reply[1] = 'overtaken'
  table.insert(reply, 2, traffic)
end
if dry then return reply end

local begins_run = node_sessions and redis.call('SCARD', node_sessions) == 0
if begins_run then redis.call('SCARD', PREFIX .. 'runs') end
local noted -- where a name that never beat has its runs, if this is the first session of one
if node_sessions and (begins_run or #ends > 0) and not run and ARGV[12] ~= '0' then
  noted = PREFIX .. 'node_runs:' .. string.sub(node_sessions, #PREFIX + 15, -#ARGV[12] - 2)
  redis.call('ZCARD', noted)
end
if group_held[1] then redis.call('ZCARD', PREFIX .. 'groups') end
if limits[8] then redis.call('ZCARD', PREFIX .. 'started') end
if apply_ends then apply_ends() end
local active_text = string.format('%d', user_active)
if user ~= '' then
  redis.call('ZADD', USERS, active_text, user) -- the first write, so that it alone need not be read before
  redis.call('ZADD', user_sessions, now_text, id)
end
redis.call('SET', KEYS[3], struct.pack(START, now) .. record)
redis.call('ZADD', DEADLINES, due, id)
if limits[8] then redis.call('ZADD', PREFIX .. 'started', now_text, id) end
if node_sessions then redis.call('SADD', node_sessions, id) end
if noted then redis.call('ZADD', noted, tonumber(ARGV[12]) > now + MOST_AHEAD_MS and '-' .. ARGV[12] or ARGV[12], ARGV[12]) end
if begins_run then redis.call('SADD', PREFIX .. 'runs', string.sub(node_sessions, #PREFIX + 15)) end
local groups_active
for n = 1, #group_held do
  groups_active = groups_active or {}
  groups_active[ARGV[13 + 3 * n]] = group_held[n]
  redis.call('ZADD', PREFIX .. 'group_sessions:' .. ARGV[12 + 3 * n], now_text, id)
  redis.call('ZADD', PREFIX .. 'groups', group_held[n], ARGV[13 + 3 * n])
end
if take_rates then take_rates() end
if take_early then take_early() end
local total_text = string.format('%d', total_active)
if write_event then
  local more = groups_active and { 'groupsActive', cjson.encode(groups_active) } or {}
  if overshoot then more[#more + 1], more[#more + 2] = 'overshoot', overshoot end
  write_event(length, ARGV[8] .. now_text, ARGV[9], 'session', ARGV[10], 'userActive', active_text, 'totalActive', total_text, unpack(more))
elseif groups_active then
  redis.call('XADD', EVENTS, '*', 'v', '1', 'id', ARGV[8] .. now_text, 'type', ARGV[9], 'tenant', TENANT, 'at', now_text,
    'session', ARGV[10], 'userActive', active_text, 'totalActive', total_text, 'groupsActive', cjson.encode(groups_active))
else
  redis.call('XADD', EVENTS, '*', 'v', '1', 'id', ARGV[8] .. now_text, 'type', ARGV[9], 'tenant', TENANT, 'at', now_text,
    'session', ARGV[10], 'userActive', active_text, 'totalActive', total_text)
end
return reply
