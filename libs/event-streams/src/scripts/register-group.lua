-- Says that a group is alive, so that the trimmer keeps what it has not read.
--
--   KEYS[1] groups   hash   group -> last seen (ms)
--   ARGV[1] group
--
-- Reply: the time that was written.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], ARGV[1], now)
return now
