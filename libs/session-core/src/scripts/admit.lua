#!lua
-- Decides whether a session may start, and if so puts it on the books. All or nothing, in one step.
--
--   KEYS[3] session    KEYS[4] user_sessions    KEYS[5] node_sessions, absent for a session without a node
--   ARGV[2] sessionId  ARGV[3] user (canonical)  ARGV[4] mode: admit | check (answers the same, changes nothing) | started (whatever
--                                                      the limits say)
--   ARGV[5] due first, ms after the start (0: never)
--   ARGV[6] the record without its start          ARGV[7] tombstone (ms)
--   ARGV[8] event id without its time   ARGV[9] event type         ARGV[10] the session as JSON, for the event
--   ARGV[11] node, '' for one that is not watched                  ARGV[12] its epoch          ARGV[13...] groups, escaped
--
-- Reply, by its first word:
--   admitted   start, due, max, active, limits version, victims {id, node, start}...
--   repeated   max, active, limits version, then as `live` of the other verbs: record, due, lastActivity, traffic
--   rejected   max, active, limits version
--   ended [record]   conflict   withdrawn   no-limits   stale-epoch, the present epoch
--
-- Order: the id decides (lives, ended, other user); then the node's run; then every limit; then the writes. A new attempt of a live id takes its
-- place: the old attempt ends and is not counted beside it.

local id, user, dry = ARGV[2], ARGV[3], ARGV[4] == 'check'
local user_sessions, node_sessions = KEYS[4], KEYS[5]

local limits = redis.call('HMGET', PREFIX .. 'limits', 'version', 'enabled', 'action', 'user', 'user:' .. user)
if not limits[1] then return { 'no-limits' } end
local version, max = limits[1], tonumber(limits[5] or limits[4])
local bounded = limits[2] == '1' and max > 0 and user ~= '' -- a session without a user counts in the total only
local held, total, length = redis.call('ZCARD', user_sessions), redis.call('ZCARD', DEADLINES), redis.call('XLEN', EVENTS)
local session = redis.call('GET', KEYS[3])
local run = ARGV[11] ~= '' and redis.call('HGET', PREFIX .. 'nodes', ARGV[11])

local active, victims, record, reply = held, 0, ARGV[6], nil
local ends, apply_ends, write_event, overshoot = {}, nil, nil, nil -- what ends in this step; how, where it is looked at closely
local take_early -- activity that came before its start

-- Most admissions meet an id never seen, a node's present run, a limit with room and an outbox that needs no trimming. The others are
-- looked at closely.
if session or ARGV[4] == 'started' or (run and run ~= ARGV[12]) or (bounded and held >= max) or length >= EVENTS_BOUND then
-- @include reading
-- @include endings
-- @include runs
-- @include room
-- @include early
-- @include admit-closely
end

-- On the books.
local after = tonumber(ARGV[5])
local due = after > 0 and string.format('%d', now + after) or '+inf'
local user_active = user == '' and 0 or active - victims + 1
local active_text = string.format('%d', user_active)
reply = { 'admitted', now_text, due, max, user_active, version }
for i = #ends - victims + 1, #ends do
  local plan = ends[i][1]
  reply[#reply + 1] = { plan.id, plan.session.list[NODE], string.format('%d', plan.session.started) }
end
if dry then return reply end

if node_sessions then redis.call('SCARD', node_sessions) end
for i = 13, #ARGV do redis.call('ZCARD', PREFIX .. 'group_sessions:' .. ARGV[i]) end
if apply_ends then apply_ends() end
if user ~= '' then
  redis.call('ZADD', USERS, active_text, user) -- the first write, so that it alone need not be read before
  redis.call('ZADD', user_sessions, now_text, id)
end
redis.call('SET', KEYS[3], struct.pack(START, now) .. record)
redis.call('ZADD', DEADLINES, due, id)
if node_sessions then redis.call('SADD', node_sessions, id) end
for i = 13, #ARGV do redis.call('ZADD', PREFIX .. 'group_sessions:' .. ARGV[i], now_text, id) end
if take_early then take_early() end
local total_text = string.format('%d', total - #ends + 1)
if write_event then
  write_event(length, ARGV[8] .. now_text, ARGV[9], 'session', ARGV[10], 'userActive', active_text, 'totalActive', total_text,
    unpack(bounded and user_active > max and { 'overshoot', overshoot } or {}))
else
  redis.call('XADD', EVENTS, '*', 'v', '1', 'id', ARGV[8] .. now_text, 'type', ARGV[9], 'tenant', TENANT, 'at', now_text,
    'session', ARGV[10], 'userActive', active_text, 'totalActive', total_text)
end
return reply
