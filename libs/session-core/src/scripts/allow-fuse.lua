#!lua flags=allow-oom
-- An operator lets through what a fuse has stopped.
--
--   ARGV[2] fuse   ARGV[3] for how long (ms)
--
-- Reply: 1 allowed, 0 no such fuse has tripped

if redis.call('HEXISTS', FUSES, ARGV[2]) == 0 or string.find(ARGV[2], '^allowed:') then return 0 end
redis.call('HSET', FUSES, 'allowed:' .. ARGV[2], string.format('%d', now + ARGV[3]))
return 1
