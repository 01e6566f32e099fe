#!lua flags=allow-oom
-- Renews a session's idle time; its maximum duration and a reservation stay where they were.
-- Totals are merged by maximum, so that late and repeated reports change nothing.
--
--   ARGV[2] sessionId   ARGV[3] attempt, '' for whichever lives
--   ARGV[4...] pairs of total and value: bytesSent, bytesReceived, packetsSent, packetsReceived; channels (JSON, the latest holds)
--
-- Reply: live (record, due, lastActivity, traffic) | ended (record, absent if a later attempt lives) | unknown

-- @include reading
-- @include endings
-- @include due
local id, attempt = ARGV[2], tonumber(ARGV[3])
local state, session, plan = look_up(id)
if state ~= 'live' then return no_longer(state, session) end
if attempt and attempt < session.list[ATTEMPT] then return { 'ended' } end

local traffic, last = plan.traffic, math.max(now, plan.last_activity)
-- After a clock that stepped back, a renewal must not shorten what was promised.
local due = math.max(next_due(session, last), plan.due)
local changed = {}
for i = 4, #ARGV, 2 do
  local name, value = ARGV[i], ARGV[i + 1]
  if name == 'channels' or tonumber(value) > tonumber(traffic[name] or -1) then
    traffic[name] = value
    changed[#changed + 1] = name
    changed[#changed + 1] = value
  end
end
-- The deadline tells the last activity only where idle time set it; elsewhere the traffic hash has to.
if #ARGV > 3 or due ~= last + session.list[IDLE] then
  traffic.at = string.format('%d', last)
  changed[#changed + 1] = 'at'
  changed[#changed + 1] = traffic.at
end

if due ~= plan.due then redis.call('ZADD', DEADLINES, 'XX', due_text(due), id) end
if #changed > 0 then redis.call('HSET', key('traffic:', id), unpack(changed)) end
return live_reply(session, due, traffic)
