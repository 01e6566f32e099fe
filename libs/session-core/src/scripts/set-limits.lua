#!lua
-- Puts a complete copy of the limits into force in this shard, if it is newer than the one in force.
-- The copy was filled in chunks under `limits_next:<version>`; renaming it is one step, so no decision sees half of it.
--
--   ARGV[2] version
--
-- Reply: adopted | kept (this version or a newer one is in force) | missing (no complete copy is there)

local version = tonumber(ARGV[2])
local current, staged = PREFIX .. 'limits', PREFIX .. 'limits_next:' .. ARGV[2]
local in_force = tonumber(redis.call('HGET', current, 'version') or -1)
if in_force >= version then return 'kept' end
if redis.call('HGET', staged, 'complete') ~= '1' then return 'missing' end
redis.call('PERSIST', staged)
redis.call('UNLINK', current) -- in the background: RENAME over 100,000 fields took 17 ms
redis.call('RENAME', staged, current)
return 'adopted'
