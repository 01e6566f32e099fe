-- Acknowledges an entry and writes it to the dead-letter stream, both or neither, whoever else tries the same.
--
-- An entry that is no longer pending was settled by another consumer, and is not written again; unless the stream does not have it any
-- more: then nobody else can save it, and a repeat is the smaller evil.
--
--   KEYS[1] stream
--   KEYS[2] dead-letter stream, in the same slot
--   ARGV[1] group
--   ARGV[2] stream id
--   ARGV[3] bound of the dead-letter stream
--   ARGV[4…] fields and values to write
--
-- Reply: 1 written now, 0 somebody else had settled it.
redis.call('XLEN', KEYS[2]) -- a key of another type stops here, before anything has changed
local present = #redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2]) > 0
local pending = redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 1
if present and not pending then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 4))
return 1
