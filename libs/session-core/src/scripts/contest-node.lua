#!lua flags=allow-oom
-- A run of a node was refused anywhere but at its beat. An older one than the present contests the name.
--
--   ARGV[2] node   ARGV[3] epoch
--
-- Reply: the present epoch, 1 if it is to be warned of | nothing where no newer run is known

-- @include key
-- @include contest
local present = redis.call('HGET', key('node:', ARGV[2]), 'epoch')
if not present or tonumber(present) <= tonumber(ARGV[3]) then return {} end
return { present, contest(ARGV[2]) }
