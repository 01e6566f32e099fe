-- Totals of sessions that are over, on top of `endings.lua` and `early.lua`. The first reports of a session are an event each; what comes after
-- those is kept, the newest of each session, for the upkeep, so that a flood of them is one event a second.

local LATE = PREFIX .. 'late'
local MOST_AT_ONCE = 8

-- Reads what `tell_late` writes.
local function touch_late() redis.call('HLEN', LATE) end

-- `totals` are all that the session came to, and `late`, how often that grew since its end; the caller keeps them. Returns the new `late`.
local function tell_late(length, id, attempt, started, totals)
  totals.late = string.format('%d', tonumber(totals.late or 0) + 1)
  local field = id .. '/' .. attempt .. '/totals/' .. started
  local fields = { 'sessionId', id, 'attempt', attempt, 'startedAt', started, unpack(total_fields(totals)) }
  if tonumber(totals.late) <= MOST_AT_ONCE then
    append_event(length, field .. '/' .. totals.late, 'session.totals', unpack(fields))
  else
    redis.call('HSET', LATE, field, cjson.encode({ field .. '/' .. totals.late, fields }))
    redis.call('PEXPIRE', LATE, HELD_TOMBSTONE_MS)
  end
  return totals.late
end

-- A later attempt has begun or ended, and the record is of that from now on. What is known of this one is kept, as long as the later one may
-- still be asked about it; `kept` is what was read of it.
local function keep_overtaken(of, kept, session, for_ms)
  if session.list[TRAFFIC] then merge_traffic(kept, ended_traffic(session.list)) end
  local fields = total_fields(kept)
  if session.started ~= NEVER then
    fields[#fields + 1], fields[#fields + 2], fields[#fields + 3], fields[#fields + 4] = 'started', string.format('%d', session.started), 'late', kept.late or '0'
  end
  if #fields == 0 then return end
  redis.call('HSET', of, unpack(fields))
  redis.call('PEXPIRE', of, for_ms)
end

-- Totals of an attempt that a later one has overtaken; `kept` is what was read of it. One whose start is still to come gets them with that.
local function report_overtaken(length, id, attempt, of, kept, said)
  if not kept.started then return keep_early(of, kept, said) end
  local changed = merge_traffic(kept, said)
  if #changed == 0 then return end
  redis.call('HSET', of, 'late', tell_late(length, id, attempt, kept.started, kept), unpack(changed))
end

-- Totals of the session that a tombstone is of. One whose start is still to come gets them with that.
local function report_ended(length, id, attempt, session, said)
  local list, traffic = session.list, ended_traffic(session.list)
  local own = tonumber(traffic.attempt) or list[ATTEMPT] -- of the session; the record refuses later ones as well
  if list[MOVED_TO] or session.started ~= NEVER and (own == EVERY_ATTEMPT or attempt and attempt ~= own) then return end
  if #merge_traffic(traffic, said) == 0 then return end
  if session.started ~= NEVER then
    tell_late(length, id, string.format('%d', own), string.format('%d', session.started), traffic)
  end
  list[TRAFFIC] = traffic
  redis.call('SET', key('session:', id), pack_tombstone(session), 'KEEPTTL')
end
