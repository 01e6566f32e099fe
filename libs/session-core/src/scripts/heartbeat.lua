#!lua
-- A node says that it lives. Costs the same whatever number of sessions it holds.
-- A run that the shards do not know yet is refused with `enter`: they learn of it first, then this is called again.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] live sessions by its own count, '' if it does not say   ARGV[5] via: http | inbox
--   ARGV[6] number of the change that every shard knows of now, '' if none was made
--   ARGV[7] snapshot interval (ms), 0 for none
--   ARGV[8] when it said so (ms), '' for now: a late beat neither revives a node that was lost since, nor takes a later one back
--
-- Reply: beat, now (the mark of a snapshot), 1 if a snapshot is wanted | enter, number of the change | stale, present epoch | late

-- @include key
local node, epoch = ARGV[2], tonumber(ARGV[3])
local node_key = key('node:', node)
local known = redis.call('HMGET', node_key, 'epoch', 'change', 'state', 'snapshot_at', 'snapshot_wanted', 'since')
local known_epoch, change, live = tonumber(known[1] or 0), tonumber(known[2] or 0), known[3] == 'live'
if known_epoch > epoch then return { 'stale', known[1] } end
local at = ARGV[8] == '' and now or math.min(tonumber(ARGV[8]), now)

local new_run = known_epoch < epoch
if ARGV[8] ~= '' and not new_run and not live and at <= tonumber(known[6] or 0) then return { 'late' } end
if new_run or not live then
  change = new_run and 0 or change + 1
  if ARGV[6] ~= string.format('%d', change) then return { 'enter', string.format('%d', change) } end
end
redis.call('ZCARD', HEARTBEATS)
redis.call('ZCARD', LOST_NODES)
if new_run or not live then
  redis.call('HSET', node_key, 'epoch', ARGV[3], 'change', change, 'state', 'live', 'since', now_text, 'snapshot_wanted', '1')
  if new_run then redis.call('HDEL', node_key, 'snapshot_at', 'snapshot_mark') end
  redis.call('ZREM', LOST_NODES, node)
  known[5] = '1'
end
redis.call('ZADD', HEARTBEATS, 'GT', string.format('%d', at), node)
redis.call('HSET', node_key, 'via', ARGV[5], 'active', ARGV[4])
local interval = tonumber(ARGV[7])
local due = interval > 0 and now - tonumber(known[4] or 0) >= interval
return { 'beat', now_text, (known[5] == '1' or due) and '1' or '0' }
