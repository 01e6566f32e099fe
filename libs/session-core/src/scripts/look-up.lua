-- What it takes to find the session that a verb is about, and to end it where its time is over; on top of `ending.lua`.

-- What an ended session came to, as `traffic:<id>` would have it; with `late`, how often that has grown since its end, and `attempt`, its
-- own where the record refuses later ones as well.
local function ended_traffic(list)
  local kept, traffic = list[TRAFFIC], {}
  if not kept[1] then return kept end
  for i, name in ipairs(TOTALS) do traffic[name] = string.format('%d', kept[i]) end
  traffic.late, traffic.attempt = kept[5] and string.format('%d', kept[5]), kept[6] and string.format('%d', kept[6])
  return traffic
end

local function due_reason(session)
  local list = session.list
  if list[LONGEST] > 0 and session.started + list[LONGEST] <= now then return 'max_duration' end
  if list[STATE] == RESERVED then return 'reservation_expired' end
  return 'idle_timeout'
end

-- When the store was away, or its clock jumped, nobody could renew: what is due by silence is not over then, but has to wait until
-- `pulse.lua` has seen the shard up, and for the grace that it gives. The hard end waits for nobody.
local pulse
local function is_deferred(session, due)
  if due_reason(session) == 'max_duration' then return false end
  pulse = pulse or redis.call('HMGET', PREFIX .. 'pulse', 'at', 'stale_after', 'grace_until', 'since')
  if not pulse[1] then return false end
  if now - pulse[1] > tonumber(pulse[2]) then return true end
  local list = session.list
  local silent_since = due - (list[STATE] == RESERVED and list[RESERVATION] or list[IDLE])
  return now < tonumber(pulse[3]) and silent_since < tonumber(pulse[4] or 0)
end

-- The session a verb is about. One that is due has ended, whether or not a sweep has been there: it ends here.
-- `user`: whose it is by the caller's word, '' where that is not said; the session of another user is `foreign`.
-- Returns 'live', session, plan, outbox length | 'ended', session | 'foreign' | 'unknown', what is left of a withdrawn one
-- `read_more` is called with what was read, before anything is written.
local function look_up(id, by_node, user, read_more)
  local session = read_session(id)
  if read_more then read_more(session) end
  if session == nil or session.list[STATE] == WITHDRAWN then return 'unknown', session end
  if not is_of(session, user) then return 'foreign' end
  if not session.live then return 'ended', session end
  local due = due_of(id)
  local over = due <= now and not is_deferred(session, due)
  local p, length = plan_end(id, session, due, by_node and not over), touch_shard()
  if not over then return 'live', session, p, length end
  apply_end(p, length, due_reason(session), '')
  return 'ended', session
end
