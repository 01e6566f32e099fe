#!lua flags=allow-oom
-- Tells the outbox that a fuse has tripped. Telling twice is one event: the id is the same.
--
--   ARGV[2] fuse   ARGV[3] since (ms)   ARGV[4...] pairs of field and value

-- @include reading
-- @include endings
append_event(touch_shard(), ARGV[2] .. '/tripped/' .. ARGV[3], 'fuse.tripped', 'fuse', ARGV[2], unpack(ARGV, 4))
