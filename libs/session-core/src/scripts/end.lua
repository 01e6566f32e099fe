#!lua flags=allow-oom
-- Ends a session. Ending one that is gone changes nothing: the sweep, an operator or a repeated call may have been first.
-- The end of an id that was never seen is remembered, so that its admission, arriving late, is refused.
--
--   ARGV[2] sessionId   ARGV[3] attempt, '' for whichever lives; it ends that attempt and earlier ones, never a later one
--   ARGV[4] reason      ARGV[5] note      ARGV[6] by: node | berth (then the node gets a command)
--   ARGV[7] tombstone (ms)   ARGV[8] the key or person that has it ended, '' for none   ARGV[9] its user, '' if not said
--   ARGV[10...] pairs of total and value: bytesSent, bytesReceived, packetsSent, packetsReceived
--
-- A session whose record is gone or cannot be decoded, but which an index still has, ends all the same: with the reason given, and what the
-- indices say of it.
--
-- Reply: live (it ended now: record) | ended (it had ended: record) | superseded (a later attempt lives) | unknown | foreign (the session of
-- another user, which stays as it is)

-- @include record
-- @include ending
local id, attempt, by_node, tombstone_ms = ARGV[2], tonumber(ARGV[3]), ARGV[6] == 'node', ARGV[7]
local by = ARGV[8] ~= '' and ARGV[8] or nil

-- Most ends are of the attempt that lives, without totals. Only the others pay for their helpers: 9 of 35 us.
local plain = #ARGV == 9 and read_session(id)
if plain and plain.live and is_of(plain, ARGV[9]) and (not attempt or attempt == plain.list[ATTEMPT]) then
  local due = due_of(id)
  if due > now then
    apply_end(plan_end(id, plain, due, by_node), touch_shard(), ARGV[4], ARGV[5], by_node and tombstone_ms or nil, by)
    return { 'live', plain.packed }
  end
end

-- @include look-up
-- @include commands
-- @include merge-traffic
-- @include early
-- @include late
-- @include strays
local session_key, said = key('session:', id), {}
for i = 10, #ARGV, 2 do said[ARGV[i]] = ARGV[i + 1] end

local said_at, kept, outbox -- of the attempt that is to end, where it is not the one that is on the books
local overtaken_at, overtaken -- of the one that is, where a later one is to end
local state, session, plan, length = look_up(id, by_node, ARGV[9], function(found)
  local own = found and found.live and (not attempt or attempt == found.list[ATTEMPT])
  -- One that is due has ended before this, and what is said of it comes after its end.
  if #ARGV > 9 and not (own and due_of(id) > now) then
    said_at, outbox = early_key(id, ARGV[3]), redis.call('XLEN', EVENTS)
    kept = read_early(said_at)
    touch_late()
  end
  if found and attempt and attempt > found.list[ATTEMPT] then
    overtaken_at = early_key(id, string.format('%d', found.list[ATTEMPT]))
    overtaken = read_early(overtaken_at)
  end
end)
if state == 'foreign' then return { 'foreign' } end
local list = session and session.list

-- An index names a session that has no record, or none that can be decoded.
local function stray_home()
  local user, hinted = ARGV[9], nil
  if user ~= '' then hinted = lenient('ZSCORE', key('user_sessions:', user), id) end
  if user ~= '' and not hinted then return nil end -- it may be another's
  if not session and not hinted and not redis.call('ZSCORE', DEADLINES, id) then return nil end
  local home = homes_of({ id })[1]
  if hinted then found_in(home, 'users', user, tonumber(hinted)) end
  return home
end
local home = state == 'unknown' and (not session or session.unreadable) and stray_home()
if home then
  local stray = plan_stray(home, stray_kind(session), not by_node)
  local how = { through = attempt or EVERY_ATTEMPT, tombstone_ms = by_node and tombstone_ms or nil, by = by, totals = said }
  return { 'live', apply_stray(stray, touch_shard(), ARGV[4], ARGV[5], how) }
end

-- The node knows that this attempt is over: if that is what it was to be told, its command is done.
local function acknowledge(through)
  if by_node then drop_command(list[NODE], id, through) end
end
-- A later attempt than that of the record has ended: of that one nothing but its end is known.
local function end_later_one()
  list[ATTEMPT] = attempt
  if list[MOVED_TO] then return end
  keep_overtaken(overtaken_at, overtaken, session, tombstone_ms)
  session.started = NEVER
  list[ENDED_AT], list[NOTE], list[LAST_ACTIVITY], list[TRAFFIC] = now, ARGV[5], now, said -- a reason of Berth's own stays
end

if state == 'live' then
  if attempt and attempt < list[ATTEMPT] then
    acknowledge(attempt)
    if kept then report_overtaken(outbox, id, ARGV[3], said_at, kept, said) end
    return { 'superseded' }
  end
  local is_later = attempt and attempt > list[ATTEMPT]
  if not is_later then merge_traffic(plan.traffic, said) end
  apply_end(plan, length, ARGV[4], ARGV[5], by_node and tombstone_ms or nil, by)
  local packed = session.packed
  if is_later then
    if by_node then
      end_later_one()
    else
      list[TRAFFIC] = ended_traffic(list)
      list[TRAFFIC].attempt, list[ATTEMPT] = list[ATTEMPT], attempt
    end
    redis.call('SET', session_key, pack_tombstone(session), 'KEEPTTL')
  end
  return { 'live', packed }
end

if not by_node then return { state, state == 'ended' and session.packed or nil } end

if state == 'ended' then
  local left = redis.call('PTTL', session_key)
  acknowledge(attempt or math.huge)
  if attempt and list[ATTEMPT] ~= EVERY_ATTEMPT and attempt < list[ATTEMPT] then
    if kept then report_overtaken(outbox, id, ARGV[3], said_at, kept, said) end
    return { 'ended', session.packed }
  end
  -- Nor need the tombstone be held for it any longer; and what had ended provisionally has now really ended.
  local later = attempt and list[ATTEMPT] ~= EVERY_ATTEMPT and attempt > list[ATTEMPT]
  if later then
    end_later_one()
  elseif kept then
    report_ended(outbox, id, attempt, session, said)
  end
  if later or list[STATE] == PROVISIONAL then
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
local tombstone = { started = NEVER, facts = '', list = { 1, ENDED, through, '', '', 0, 0, 0, 0, false, {}, {}, revoked, now,
  ARGV[4], ARGV[5], now, said } }
redis.call('SET', session_key, pack_tombstone(tombstone), 'PX', tombstone_ms)
return { 'unknown' }
