#!lua flags=allow-oom
-- A gateway says that beats could arrive. After a time when none could, every lease is longer by the grace.
--
--   ARGV[2] grace (ms)   ARGV[3] stale after (ms): silence longer than this was an outage
--
-- Reply: length of the gap (ms), 0 if there was none

local open_at = tonumber(redis.call('HGET', WATCH, 'open_at') or now)
local gap = now - open_at > tonumber(ARGV[3]) and now - open_at or 0
redis.call('HSET', WATCH, 'open_at', now_text)
if gap > 0 then redis.call('HSET', WATCH, 'grace_until', string.format('%d', now + ARGV[2])) end
return string.format('%d', gap)
