#!lua flags=allow-oom
-- Creates the tenant with a number of shards, unless it exists: then it keeps the number that it has. Needed before anything is ended,
-- so allowed when memory is full.
--
--   ARGV[2] number of shards
--
-- Reply: {created}, {known}, or {mismatch, shards, created at (ms)}

local key = PREFIX .. 'tenant'
local known = redis.call('HMGET', key, 'shards', 'created_at')
if not known[1] then
  redis.call('HSET', key, 'shards', ARGV[2], 'created_at', now_text)
  return {'created'}
end
if known[1] == ARGV[2] then return {'known'} end
return {'mismatch', known[1], known[2] or '0'}
