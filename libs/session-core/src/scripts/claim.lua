#!lua
-- Second step of a handover to another shard: the session gets its place here, if its user has room. What the first call for a token
-- decides holds for every later one, so that any number may try, and a late one changes nothing.
--
--   ARGV[2] token   ARGV[3] number of the shard that has it   ARGV[4] its id there   ARGV[5] mode: claim | decline (no, unless it was claimed)
--   ARGV[6] kind: authenticated | transferred   ARGV[7] user   ARGV[8] node, '' stays   ARGV[9] its epoch   ARGV[10] new id, '' stays
--   ARGV[11] tombstone (ms)   ARGV[12] record   ARGV[13] due (ms, or +inf)   ARGV[14] traffic (MessagePack)
--
-- Reply: moved (as authenticate.lua) | claimed (before) | declined (before) | no-limits (nothing is decided) | and for good: rejected,
-- id-taken, id-ended, stale-epoch, future-epoch, node-draining

-- @include reading
-- @include endings
-- @include session-json
-- @include runs
local id, tombstone_ms = ARGV[4], ARGV[11]
-- @include handover
local CLAIMS, claim = PREFIX .. 'claims', ':' .. ARGV[3] .. ':' .. ARGV[2] .. ':' .. id
local decided = redis.call('ZMSCORE', CLAIMS, 'claimed' .. claim, 'declined' .. claim)
if decided[1] then return { 'claimed' } end
if decided[2] then return { 'declined' } end

local function decline(reply)
  redis.call('ZADD', CLAIMS, now_text, 'declined' .. claim)
  return reply
end
if ARGV[5] == 'decline' then return decline({ 'declined' }) end

local session, epoch, new_id = unpack_session(ARGV[12]), joined_epoch(ARGV[8], tonumber(ARGV[9])), ARGV[10]
local from, to, to_id = session.list, changed(session, ARGV[7], ARGV[8], epoch, new_id), new_id ~= '' and new_id or id
length = touch_shard()
local stays = ARGV[8] == ''
if stays and departed_run(to.list) then return decline({ 'declined' }) end -- it has ended there, or is about to
local refused = to.list[EPOCH] > 0 and refuse_run(to.list[NODE], to.list[EPOCH], stays)
if refused then return decline(refused) end
if not stays and is_kept_out(to.list[NODE], from) then return decline({ 'node-draining' }) end
local taken = occupied(to_id, to.list[ATTEMPT])
if taken then return decline({ taken }) end
if not read_limit(ARGV[7]) then return { 'no-limits' } end
local full = make_room(from[EMERGENCY] and 'emergency')
if full then return decline(refuse(from[ATTEMPT], tombstone_ms, full, string.sub(session.packed, 7))) end

to.list[OWNERS] = {}
local arrival, traffic, due = plan_arrival(to_id, to), cmsgpack.unpack(ARGV[14]), ARGV[13] == '+inf' and math.huge or tonumber(ARGV[13])
apply_planned(tombstone_ms)
local user_active = put_on_books(arrival, due, traffic)
redis.call('ZADD', CLAIMS, now_text, 'claimed' .. claim)
append_handover('session.' .. ARGV[6], to_id .. '/' .. string.format('%d', to.list[ATTEMPT]) .. '/' .. ARGV[6] .. '/' .. ARGV[2], arrival,
  user_active, id, from)
return moved_reply(arrival, due, traffic)
