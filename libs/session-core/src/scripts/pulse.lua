#!lua flags=allow-oom
-- Says that this shard is up, and finds out whether it was away, or its clock jumped, since this was said last. Then nobody could renew: what
-- is due by silence gets a grace, and what a jump of the clock took from it.
--
--   ARGV[2] grace (ms)   ARGV[3] stale after (ms): silence longer than this was an outage
--   ARGV[4] now of the caller's last pulse (ms), '' if it has none    ARGV[5] how long ago that was by a clock that never jumps (ms)
--
-- Reply: now (ms), length of the gap (ms), 0 if there was none

local PULSE = PREFIX .. 'pulse'
local grace, stale_after = tonumber(ARGV[2]), tonumber(ARGV[3])
local jumped = ARGV[4] ~= '' and now - ARGV[4] - ARGV[5] or 0
local known = redis.call('HMGET', PULSE, 'at', 'grace_until', 'credit', 'since', 'gap')
local at, grace_until, credit = tonumber(known[1] or now), tonumber(known[2] or 0), tonumber(known[3] or 0)
local gap = now - at > stale_after and now - at or 0
local since, last_gap = tonumber(known[4] or 0), tonumber(known[5] or 0)
if gap > 0 then grace_until, credit, since, last_gap = now + grace, 0, now, gap end
-- Whoever felt the pulse before the gap can tell what of it was a jump, even if somebody else saw the gap first.
if now < grace_until and jumped > stale_after then credit = math.max(credit, math.min(jumped, last_gap)) end
grace_until = math.min(grace_until, now + grace) -- a clock that stepped back leaves no long grace behind
redis.call('HSET', PULSE, 'at', now_text, 'stale_after', ARGV[3], 'grace_until', string.format('%d', grace_until),
  'credit', string.format('%d', credit), 'since', string.format('%d', since), 'gap', string.format('%d', last_gap))
return { now_text, string.format('%d', gap) }
