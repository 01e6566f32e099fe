#!lua
-- Says by which identity rules the books of this shard are kept, those of the caller, and takes its limits out of force. Whoever reads names by
-- other rules finds no limits from here on, and may give none; whoever reads them by these waits for the registration.
--
-- Reply: 1

local limits = PREFIX .. 'limits'
local fields = { 'version', 'version:fold:keep', 'version:keep:drop', 'version:keep:keep' }
local versions = redis.call('HMGET', limits, unpack(fields))
redis.call('GET', PREFIX .. 'rules')
redis.call('SET', PREFIX .. 'rules', '1' .. CALLERS_MARK)
for i in ipairs(fields) do
  if versions[i] then redis.call('HSET', limits, 'was_version', versions[i]) end
end
redis.call('HDEL', limits, unpack(fields))
return 1
