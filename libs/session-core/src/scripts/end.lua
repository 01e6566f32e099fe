#!lua flags=allow-oom
-- Ends a session. Ending one that is gone changes nothing: the sweep, an operator or a repeated call may have been first.
-- The end of an id that was never seen is remembered, so that its admission, arriving late, is refused.
--
--   ARGV[2] sessionId   ARGV[3] attempt, '' for whichever lives; it ends that attempt and earlier ones, never a later one
--   ARGV[4] reason      ARGV[5] note      ARGV[6] by: node | berth (then the node gets a command)
--   ARGV[7] tombstone (ms)   ARGV[8] the key or person that has it ended, '' for none
--
-- Reply: live (it ended now: record) | ended (it had ended: record) | superseded (a later attempt lives) | unknown

-- @include reading
-- @include endings
-- @include commands
local id, attempt, by_node, tombstone_ms = ARGV[2], tonumber(ARGV[3]), ARGV[6] == 'node', ARGV[7]
local session_key = key('session:', id)
local state, session, plan, length = look_up(id, by_node)
local list = session and session.list

-- The node knows that this attempt is over: if that is what it was to be told, its command is done.
local function acknowledge(through)
  if by_node then drop_command(list[NODE], id, through) end
end

if state == 'live' then
  if attempt and attempt < list[ATTEMPT] then
    acknowledge(attempt)
    return { 'superseded' }
  end
  apply_end(plan, length, ARGV[4], ARGV[5], by_node and tombstone_ms or nil, ARGV[8] ~= '' and ARGV[8] or nil)
  if attempt and attempt > list[ATTEMPT] then
    list[ATTEMPT] = attempt
    redis.call('SET', session_key, pack_tombstone(session), 'KEEPTTL')
  end
  return { 'live', session.packed }
end

if not by_node then return { state, state == 'ended' and session.packed or nil } end

if state == 'ended' then
  local left = redis.call('PTTL', session_key)
  acknowledge(attempt or math.huge)
  if attempt and list[ATTEMPT] ~= EVERY_ATTEMPT and attempt < list[ATTEMPT] then return { 'ended', session.packed } end
  -- Nor need the tombstone be held for it any longer; and what had ended provisionally has now really ended.
  local later = attempt and list[ATTEMPT] ~= EVERY_ATTEMPT and attempt > list[ATTEMPT]
  if later or list[STATE] == PROVISIONAL then
    if later then list[ATTEMPT] = attempt end
    list[STATE] = ENDED
    redis.call('SET', session_key, pack_tombstone(session), 'PX', tombstone_ms)
  elseif left > tonumber(tombstone_ms) then
    redis.call('PEXPIRE', session_key, tombstone_ms)
  end
  return { 'ended', session.packed }
end

local through, revoked = attempt or EVERY_ATTEMPT, {}
if list then
  revoked = list[REVOKED]
  if attempt then through = math.max(attempt, list[ATTEMPT]) end
end
local tombstone = { started = now, facts = '', list = { 1, ENDED, through, '', '', 0, 0, 0, 0, false, {}, {}, revoked, now,
  ARGV[4], ARGV[5], now, {} } }
redis.call('SET', session_key, pack_tombstone(tombstone), 'PX', tombstone_ms)
return { 'unknown' }
