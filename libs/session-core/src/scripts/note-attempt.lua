-- Notes an attempt with a wrong key, unless its source has made too many: then it says how long that lasts, and notes nothing.
--
--   KEYS[1]  attempts   string   when all that are noted are forgiven (ms); expires then
--   ARGV[1]  clock      ms       a test sets the time; empty everywhere else, and Redis says it
--   ARGV[2]  how many in a row are noted   ARGV[3] how long it takes until one of them is forgiven (ms)
--
-- Reply: 0 noted, else how long until the next one would be (ms).

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local each = tonumber(ARGV[3])
local most = tonumber(ARGV[2]) * each

local noted = tonumber(redis.call('GET', KEYS[1]) or now) or now
-- Never later than all could be, and written so: a clock that went back must not slow anybody for longer.
local forgiven = math.max(now, math.min(noted, now + most))
local wait = math.max(0, forgiven + each - most - now)
if wait == 0 then forgiven = forgiven + each end
if forgiven ~= noted then
  redis.call('SET', KEYS[1], string.format('%d', forgiven), 'PX', string.format('%d', forgiven - now))
end
return wait
