#!lua
-- Puts a complete copy of the limits into force in this shard, if it is newer than the one in force.
-- The copy was filled in chunks under `limits_next:<version>`; renaming it is one step, so no decision sees half of it.
--
--   ARGV[2] version
--   ARGV[3...] the latest changes, oldest first, for the outbox: version, who, reason, settings before (JSON), after (JSON)
--
-- Reply: adopted | kept (this version or a newer one is in force) | missing (no complete copy is there)

-- @include append-event
-- @include fence
local refused = fenced()
if refused then return refused end
local version = tonumber(ARGV[2])
local current, staged = PREFIX .. 'limits', PREFIX .. 'limits_next:' .. ARGV[2] .. CALLERS_MARK
local known = redis.call('HMGET', current, 'version' .. CALLERS_MARK, 'was_version', 'early_until')
local in_force = tonumber(known[1] or -1)
if in_force >= version then return 'kept' end
if redis.call('HGET', staged, 'complete') ~= '1' then return 'missing' end
local length = redis.call('XLEN', EVENTS)
-- The order of starts is not kept from here on; what is left of it would be taken for whole once it is kept again.
local stale = not redis.call('HGET', staged, 'by_start') and redis.call('EXISTS', PREFIX .. 'started') == 1
redis.call('PERSIST', staged)
redis.call('UNLINK', current) -- in the background: RENAME over 100,000 fields took 17 ms
redis.call('RENAME', staged, current)
if known[3] then redis.call('HSET', current, 'early_until', known[3]) end
if stale then redis.call('UNLINK', PREFIX .. 'started') end
for i = 3, #ARGV, 5 do
  if tonumber(ARGV[i]) > math.max(in_force, tonumber(known[2] or -1)) then
    append_event(length, 'limits/' .. ARGV[i] .. '/changed', 'limit.changed', 'what', 'limits', 'version', ARGV[i], 'who', ARGV[i + 1],
      'reason', ARGV[i + 2], 'before', ARGV[i + 3], 'after', ARGV[i + 4])
  end
end
return 'adopted'
