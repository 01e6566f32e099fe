#!lua
-- A node says that it lives. Costs the same whatever number of sessions it holds.
-- A run that the shards do not know yet is refused with `enter`: they learn of it first, then this is called again.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] live sessions by its own count, '' if it does not say   ARGV[5] via: http | inbox, '' as before
--   ARGV[6] number of the change that every shard knows of now, '' if none was made; it may be larger than was asked for
--   ARGV[7] snapshot interval (ms), 0 for none
--   ARGV[8] when it said so (ms), '' for now: a late beat neither revives a node that was lost since, nor takes a later one back
--   ARGV[9] 1: a shard knows the run, so that it goes on whatever the clock says
--
-- Reply: beat, now (the mark of a snapshot), 1 if a snapshot is wanted, number of the change in force | enter, number of the change
--   | stale, present epoch, 1 if it is to be warned of (the present epoch is its own where it has left) | future, now | late

-- @include key
-- @include contest
local node, epoch = ARGV[2], tonumber(ARGV[3])
local node_key = key('node:', node)
local known = redis.call('HMGET', node_key, 'epoch', 'change', 'state', 'snapshot_at', 'snapshot_wanted', 'since', 'via')
local known_epoch, change, state, since = tonumber(known[1] or 0), tonumber(known[2] or 0), known[3], tonumber(known[6] or 0)
local at, entered = ARGV[8] == '' and now or math.min(tonumber(ARGV[8]), now), tonumber(ARGV[6] or '')
if known_epoch > epoch then return { 'stale', known[1], (ARGV[8] == '' or at > since) and contest(node) or '0' } end
if known_epoch == epoch and state == 'left' then return { 'stale', known[1], '0' } end

local new_run = known_epoch < epoch
if new_run and epoch > now + MOST_AHEAD_MS and ARGV[9] ~= '1' then return { 'future', now_text } end
if ARGV[8] ~= '' and not new_run and state == 'lost' and at <= since then return { 'late' } end
redis.call('ZCARD', HEARTBEATS)
redis.call('ZCARD', LOST_NODES)
local via = ARGV[5] ~= '' and ARGV[5] or known[7] or 'http'
if new_run or state ~= 'live' then
  if new_run then change = 0 elseif state == 'lost' then change = change + 1 end
  local settled = entered and entered >= change
  redis.call('ZCARD', LEFT_NODES)
  if settled then change = entered end
  redis.call('HSET', node_key, 'epoch', ARGV[3], 'change', change, 'state', settled and 'live' or 'entering', 'since', now_text,
    'via', via, 'snapshot_wanted', '1')
  if new_run then redis.call('HDEL', node_key, 'snapshot_at', 'snapshot_mark') end
  redis.call('ZREM', LOST_NODES, node)
  redis.call('ZREM', LEFT_NODES, node)
  -- Watched from here on: if whoever puts it into force dies in the middle and no beat follows, it is lost like any other.
  if not settled then
    redis.call('ZADD', HEARTBEATS, now_text, node)
    return { 'enter', string.format('%d', change) }
  end
  known[5] = '1'
elseif entered and entered > change then
  change = entered
  redis.call('HSET', node_key, 'change', change)
end
redis.call('ZADD', HEARTBEATS, 'GT', string.format('%d', at), node)
redis.call('HSET', node_key, 'via', via, 'active', ARGV[4])
local interval = tonumber(ARGV[7])
local due = interval > 0 and now - tonumber(known[4] or 0) >= interval
return { 'beat', now_text, (known[5] == '1' or due) and '1' or '0', string.format('%d', change) }
