#!lua
-- Finds out whether this shard could take an admission. Redis refuses the script where it would refuse an admission: as a replica, with its
-- memory full, with too few replicas, with a disk that fails; and it stops at a key of a foreign type.
--
-- Writes no more than that it was here. Reply: now (ms)

local PULSE = PREFIX .. 'pulse'
for _, name in ipairs({ 'deadlines', 'users', 'groups', 'started', 'departed', 'commanded', 'offers_due', 'claims' }) do
  redis.call('ZCARD', PREFIX .. name)
end
for _, name in ipairs({ 'limits', 'nodes', 'pulse', 'creations', 'refusals', 'offers' }) do
  redis.call('HLEN', PREFIX .. name)
end
redis.call('STRLEN', PREFIX .. 'rules')
redis.call('XLEN', EVENTS)
redis.call('XLEN', PREFIX .. 'rejections')
redis.call('HSET', PULSE, 'probed', now_text)
return now_text
