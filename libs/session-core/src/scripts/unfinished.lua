#!lua flags=no-writes
-- Handovers to other shards that nobody has finished: a process died, or Redis was away, between their steps. And what was decided here
-- about handovers from other shards, long ago.
--
--   ARGV[2] at most so many of each   ARGV[3] age (ms) of an old claim
--
-- Reply: {ids of offers whose lease is over}, {old claims}

local offers = redis.call('ZRANGE', PREFIX .. 'offers_due', '-inf', now_text, 'BYSCORE', 'LIMIT', 0, ARGV[2])
local before = string.format('%d', now - tonumber(ARGV[3]))
return { offers, redis.call('ZRANGE', PREFIX .. 'claims', '-inf', before, 'BYSCORE', 'LIMIT', 0, ARGV[2]) }
