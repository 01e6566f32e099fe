#!lua flags=allow-oom
-- A session that was admitted without a user takes one, if that user has room. Start, deadlines and state stay as they are.
--
--   ARGV[2] sessionId   ARGV[3] attempt, '' for whichever lives   ARGV[4] user (canonical, of this shard)   ARGV[5] tombstone (ms)
--   ARGV[6] the user that the caller takes it to have, '' if not said
--
-- Reply, by its first word:
--   moved      max, active, limits version, victims {id, node, start}..., record, due, lastActivity, traffic
--   live       record, due, lastActivity, traffic: it had this user
--   rejected   limits version, the full limits as JSON
--   conflict (it has another user)   offered (a handover to another shard is under way)   no-limits   ended [record]   unknown

-- @include reading
-- @include endings
-- @include due
-- @include session-json
-- @include runs
local id, attempt, tombstone_ms = ARGV[2], tonumber(ARGV[3]), ARGV[5]
-- @include handover
local state, session, plan, outbox = look_up(id, true, '')
if is_foreign(session, ARGV[6], ARGV[4]) then return { 'unknown' } end
if state ~= 'live' then return no_longer(state, session) end
local list = session.list
if attempt and attempt < list[ATTEMPT] then return { 'ended' } end
local over = departed_run(list)
if over then return over == 'node_lost' and { 'unknown' } or { 'ended' } end
if list[USER] == ARGV[4] then return live_reply(session, plan.due, plan.traffic) end
if redis.call('HEXISTS', OFFERS, id) == 1 then return { 'offered' } end
if list[USER] ~= '' then return { 'conflict' } end
if not read_limit(ARGV[4]) then return { 'no-limits' } end
length = outbox
local full = make_room(list[EMERGENCY] and 'emergency')
if full then return refuse(list[ATTEMPT], tombstone_ms, full, string.sub(session.packed, 7)) end
local event_id = id .. '/' .. string.format('%d', list[ATTEMPT]) .. '/authenticated/' .. string.format('%d', session.started)
return hand_over('session.authenticated', event_id, plan, changed(session, user, '', 0, ''), id, tombstone_ms)
