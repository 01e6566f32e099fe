#!lua flags=allow-oom
-- Says that this shard is up, and finds out whether it was away, or its clock jumped, since this was said last. Then nobody could renew: what
-- is due by silence gets a grace, and what a jump of the clock took from it.
--
--   ARGV[2] grace (ms)   ARGV[3] stale after (ms): silence longer than this was an outage
--   ARGV[4] jumped (ms): how much further this clock went than the caller's own since its last pulse, 0 if it cannot tell
--
-- Reply: now (ms), length of the gap (ms), 0 if there was none

local PULSE = PREFIX .. 'pulse'
local grace, stale_after, jumped = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local at = tonumber(redis.call('HGET', PULSE, 'at') or now)
local gap = now - at > stale_after and now - at or 0
redis.call('HSET', PULSE, 'at', now_text, 'stale_after', ARGV[3])
if gap > 0 then
  redis.call('HSET', PULSE, 'grace_until', string.format('%d', now + grace), 'credit', string.format('%d', math.max(jumped, 0)))
elseif redis.call('HEXISTS', PULSE, 'grace_until') == 0 then
  redis.call('HSET', PULSE, 'grace_until', '0', 'credit', '0')
end
return { now_text, string.format('%d', gap) }
