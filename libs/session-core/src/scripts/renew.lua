#!lua flags=allow-oom
-- Renews a session's idle time; its maximum duration and a reservation stay where they were.
-- Totals are merged by maximum, channels by time, so that late and repeated reports change nothing.
--
--   ARGV[2] sessionId   ARGV[3] attempt, '' for whichever lives
--   ARGV[4] when the activity was (ms), '' for now; one of the future counts as now
--   ARGV[5...] pairs of total and value: bytesSent, bytesReceived, packetsSent, packetsReceived; channels (JSON, the latest holds)
--
-- Reply: live (record, due, lastActivity, traffic) | ended (record, absent if a later attempt lives) | unknown

-- @include reading
-- @include endings
-- @include due
local EARLY_MS = '60000' -- as long as a start may be on its way
local id, attempt = ARGV[2], tonumber(ARGV[3])
local state, session, plan = look_up(id)
local at, changed = ARGV[4] == '' and now or math.min(tonumber(ARGV[4]), now), {}

local function change(traffic, name, value)
  traffic[name] = value
  changed[#changed + 1] = name
  changed[#changed + 1] = value
end
local function merge(traffic)
  for i = 5, #ARGV, 2 do
    local name, value = ARGV[i], ARGV[i + 1]
    if name ~= 'channels' then
      if tonumber(value) > tonumber(traffic[name] or -1) then change(traffic, name, value) end
    elseif at >= tonumber(traffic.channels_at or 0) then
      change(traffic, 'channels', value)
      change(traffic, 'channels_at', string.format('%d', at))
    end
  end
end

-- Published activity may overtake the start of its session: it is kept for that.
if state == 'unknown' and not session and ARGV[4] ~= '' and #ARGV > 4 then
  local traffic, traffic_key = read_traffic(id), key('traffic:', id)
  merge(traffic)
  change(traffic, 'attempt', ARGV[3])
  redis.call('HSET', traffic_key, unpack(changed))
  redis.call('PEXPIRE', traffic_key, EARLY_MS)
end
if state ~= 'live' then return no_longer(state, session) end
if attempt and attempt < session.list[ATTEMPT] then return { 'ended' } end

local traffic, last = plan.traffic, math.max(at, plan.last_activity)
-- After a clock that stepped back, a renewal must not shorten what was promised.
local due = math.max(next_due(session, last), plan.due)
merge(traffic)
-- The deadline tells the last activity only where idle time set it; elsewhere the traffic hash has to.
if #ARGV > 4 or due ~= last + session.list[IDLE] then change(traffic, 'at', string.format('%d', last)) end

if due ~= plan.due then redis.call('ZADD', DEADLINES, 'XX', due_text(due), id) end
if #changed > 0 then redis.call('HSET', key('traffic:', id), unpack(changed)) end
return live_reply(session, due, traffic)
