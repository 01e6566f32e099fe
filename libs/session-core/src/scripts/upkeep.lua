#!lua
-- What a shard needs done once a second or so, besides endings: sums of refusals and late totals are written down, an alert on the sessions
-- created within an hour is raised or ends, and the order of starts is completed; and who asks learns what is due next. Any number of processes at once.
--
--   ARGV[2] batch: at most so many entries of each
--
-- Reply: {raised | over | '', sessions created within an hour, threshold, next due (ms, '+inf' if nothing is), now (ms)}

-- @include key
-- @include refusals
-- @include append-event
local LATE = PREFIX .. 'late'
local CREATIONS, STARTED, batch = PREFIX .. 'creations', PREFIX .. 'started', ARGV[2]
local minute, second = math.floor(now / 60000), math.floor(now / 1000)
local said = redis.call('HMGET', PREFIX .. 'limits', 'alert', 'by_start')
-- One HSCAN may see a part of the buckets of a hash that has shrunk, and none of its fields: on until enough are found.
local sums, scanned = {}, '0'
repeat
  local page = redis.call('HSCAN', REFUSALS, scanned, 'COUNT', batch)
  scanned = page[1]
  for i = 1, #page[2], 2 do
    if read_sum(page[2][i + 1]) ~= second then
      sums[#sums + 1] = page[2][i]
      sums[#sums + 1] = page[2][i + 1]
    end
  end
until scanned == '0' or #sums >= 2 * batch
local late = redis.call('HSCAN', LATE, '0', 'COUNT', batch)[2]
local next_due = redis.call('ZRANGE', DEADLINES, 0, 0, 'WITHSCORES')[2] or '+inf'
local created, threshold, old_minutes, alerted = 0, tonumber(said[1] or 0), {}, false
local by_minute = redis.call('HGETALL', CREATIONS)
redis.call('XLEN', REJECTIONS)
local length = redis.call('XLEN', EVENTS)
for i = 1, #by_minute, 2 do
  local of = tonumber(by_minute[i])
  if of == nil then
    if by_minute[i] == 'alerted' then alerted = true end
  elseif of <= minute - 60 or of > minute + 60 then -- a clock that stepped back takes nothing away
    old_minutes[#old_minutes + 1] = by_minute[i]
  else
    created = created + tonumber(by_minute[i + 1])
  end
end

-- Sessions that began before anybody kept the order of starts, and those that came by another way than an admission.
local missing, cursor = {}, nil
if said[2] and redis.call('ZCARD', STARTED) < redis.call('ZCARD', DEADLINES) then
  local page = redis.call('ZSCAN', DEADLINES, redis.call('HGET', PREFIX .. 'pulse', 'start_cursor') or '0', 'COUNT', batch)
  cursor = page[1]
  for i = 1, #page[2], 2 do
    local id = page[2][i]
    if not redis.call('ZSCORE', STARTED, id) then
      local start = redis.pcall('GETRANGE', key('session:', id), 0, 5)
      if type(start) == 'string' and #start == 6 then
        missing[#missing + 1] = string.format('%d', struct.unpack(START, start))
        missing[#missing + 1] = id
      end
    end
  end
end
local unwanted = not said[2] and redis.call('EXISTS', STARTED) == 1

if unwanted then redis.call('UNLINK', STARTED) end
if #missing > 0 then redis.call('ZADD', STARTED, unpack(missing)) end
if cursor then redis.call('HSET', PREFIX .. 'pulse', 'start_cursor', cursor) end
for i = 1, #sums, 2 do
  redis.call('HDEL', REFUSALS, sums[i])
  append_sum(sums[i], sums[i + 1])
end
for i = 1, #late, 2 do
  local event = cjson.decode(late[i + 1])
  redis.call('HDEL', LATE, late[i])
  append_event(length, event[1], 'session.totals', unpack(event[2]))
end
if #old_minutes > 0 then redis.call('HDEL', CREATIONS, unpack(old_minutes)) end
local told = ''
if threshold > 0 and created > threshold and not alerted then
  told = 'raised'
  redis.call('HSET', CREATIONS, 'alerted', now_text)
  append_event(length, 'creation/alert/' .. now_text, 'creation.alert', 'created', created, 'threshold', threshold)
elseif alerted and (threshold <= 0 or created <= threshold) then
  told = 'over'
  redis.call('HDEL', CREATIONS, 'alerted')
end
return { told, tostring(created), tostring(threshold), next_due, now_text }
