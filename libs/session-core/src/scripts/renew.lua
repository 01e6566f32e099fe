#!lua flags=allow-oom
-- Renews a session's idle time; its maximum duration and a reservation stay where they were.
-- Totals are merged by maximum, channels by time, so that late and repeated reports change nothing. Totals of a session that is not live
-- are not lost: those that overtook its start are kept for that, those that came after its end go to history.
--
--   ARGV[2] sessionId   ARGV[3] attempt, '' for whichever lives
--   ARGV[4] when the activity was (ms), one of the future counts as now; '' for now. Where it is said, the activity was published, so
--           that it may have overtaken its start: then it is kept for that
--   ARGV[5] its user, '' if not said
--   ARGV[6...] pairs of total and value: bytesSent, bytesReceived, packetsSent, packetsReceived; channels (JSON, the latest holds)
--
-- Reply: live (record, due, lastActivity, traffic) | ended (record, absent if a later attempt lives) | unknown, also where only an older
-- attempt is known

-- @include reading
-- @include due
-- @include merge-traffic
local id, attempt = ARGV[2], tonumber(ARGV[3])
local at, said, says_anything = ARGV[4] == '' and now or math.min(tonumber(ARGV[4]), now), {}, #ARGV > 5
for i = 6, #ARGV, 2 do said[ARGV[i]] = ARGV[i + 1] end
if said.channels then said.channels_at = string.format('%d', at) end

-- `due` and `traffic` are what was read. After a clock that stepped back, a renewal must not shorten what was promised.
local function renew(session, due, traffic)
  local last = math.max(at, last_activity(session, due, traffic))
  local new_due, changed = math.max(next_due(session, last), due), merge_traffic(traffic, said)
  -- The deadline tells the last activity only where idle time set it; elsewhere the traffic hash has to.
  if next(said) or new_due ~= last + session.list[IDLE] then
    traffic.at = string.format('%d', last)
    changed[#changed + 1] = 'at'
    changed[#changed + 1] = traffic.at
  end
  if new_due ~= due then redis.call('ZADD', DEADLINES, 'XX', due_text(new_due), id) end
  if has_foreign_traffic then redis.call('DEL', key('traffic:', id)) end
  if #changed > 0 then redis.call('HSET', key('traffic:', id), unpack(changed)) end
  return live_reply(session, new_due, traffic)
end

-- Most activity is of the attempt that lives. Only the rest pays for its helpers.
local plain = read_session(id)
if plain and plain.live and is_of(plain, ARGV[5]) and (not attempt or attempt == plain.list[ATTEMPT]) then
  local due = due_of(id)
  if due > now then return renew(plain, due, read_traffic(id)) end
end

-- @include endings
-- @include early
-- @include late
local is_published = ARGV[4] ~= ''
local kept_at, kept, outbox
local state, session, plan = look_up(id, false, ARGV[5], says_anything and function(found)
  -- One that is due ends here, and what is said of it comes after its end.
  if found and found.live and (not attempt or attempt == found.list[ATTEMPT]) and due_of(id) > now then return end
  kept_at, outbox = early_key(id, ARGV[3]), redis.call('XLEN', EVENTS)
  kept = read_early(kept_at)
  touch_late()
  redis.call('HLEN', PREFIX .. 'limits')
end)
if state == 'foreign' then return { 'unknown' } end
local list = session and session.list

-- Whether the attempt may start yet: of the id nothing is known, or older attempts alone.
local function is_to_come()
  if state == 'unknown' or not attempt then return state == 'unknown' end
  return attempt > list[ATTEMPT] and list[ATTEMPT] ~= EVERY_ATTEMPT and not list[MOVED_TO]
end
if is_to_come() then
  if kept and is_published then
    keep_early(kept_at, kept, said)
    -- Among the limits, which each admission reads: so none asks in vain whether something waits for it.
    redis.call('HSET', PREFIX .. 'limits', 'early_until', string.format('%d', now + EARLY_MS))
  end
  return { 'unknown' }
end
if attempt and attempt < list[ATTEMPT] then
  if kept and (kept.started or is_published) then report_overtaken(outbox, id, ARGV[3], kept_at, kept, said) end
  return state == 'live' and { 'ended' } or no_longer(state, session)
end
if state ~= 'live' then
  said.channels, said.channels_at = nil, nil
  if kept then report_ended(outbox, id, attempt, session, said) end
  return no_longer(state, session)
end

return renew(session, plan.due, plan.traffic)
