-- Who serves something of which many could: takes it, keeps it, or gives it back.
--
--   KEYS[1] lease    string   the holder; expires
--   ARGV[1] who asks   ARGV[2] for how long (ms), 0 to give it back
--
-- Reply: 1 it is (or was) this caller's, 0 another one's.

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1
