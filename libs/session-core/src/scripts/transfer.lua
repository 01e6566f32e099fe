#!lua flags=allow-oom
-- Hands a live session over to another node, and where that is said to another user or id, within this shard. Start, deadlines, totals
-- and groups stay. The node that had it is told nothing: it hands over by itself.
--
--   ARGV[2] sessionId   ARGV[3] attempt, '' for whichever lives   ARGV[4] user (of this shard), '' stays
--   ARGV[5] node        ARGV[6] its epoch, 0 if it is not said   ARGV[7] new id, '' stays
--   ARGV[8] tombstone (ms)   ARGV[9] token: names this handover in its event
--   ARGV[10] the user that the caller takes it to have, '' if not said
--
-- Reply: as authenticate.lua, without conflict; and id-taken, id-ended (the new id), stale-epoch with the present epoch, future-epoch with
-- epoch and now, node-draining

-- @include reading
-- @include endings
-- @include due
-- @include session-json
-- @include runs
local id, attempt, to_user, node, new_id = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[7]
local epoch = joined_epoch(node, tonumber(ARGV[6]))
local tombstone_ms = ARGV[8]
-- @include handover
local state, session, plan, outbox = look_up(id, true, '')
if is_foreign(session, ARGV[10], to_user) then return { 'unknown' } end
if state ~= 'live' then return no_longer(state, session) end
local list = session.list
if attempt and attempt < list[ATTEMPT] then return { 'ended' } end
local to = changed(session, to_user, node, epoch, new_id)
if redis.call('HEXISTS', OFFERS, id) == 1 then return { 'offered' } end
length = outbox
local refused = epoch > 0 and refuse_run(node, epoch) -- also where it is repeated: the run may be over by now
if refused then return refused end
if new_id == '' and to.list[USER] == list[USER] and list[NODE] == node and list[EPOCH] == epoch then
  return live_reply(session, plan.due, plan.traffic)
end
if is_kept_out(node, list) then return { 'node-draining' } end
local taken = new_id ~= '' and occupied(new_id, 1)
if taken then return { taken } end
if to.list[USER] ~= list[USER] then
  if not read_limit(to_user) then return { 'no-limits' } end
  local full = make_room(list[EMERGENCY] and 'emergency')
  if full then return refuse(list[ATTEMPT], tombstone_ms, full, string.sub(session.packed, 7)) end
end
local to_id = new_id ~= '' and new_id or id
local event_id = to_id .. '/' .. string.format('%d', to.list[ATTEMPT]) .. '/transferred/' .. ARGV[9]
return hand_over('session.transferred', event_id, plan, to, to_id, tombstone_ms)
