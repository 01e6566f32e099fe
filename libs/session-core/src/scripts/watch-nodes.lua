#!lua flags=allow-oom
-- Finds the nodes that have not beaten for a lease, while the store was up and beats could arrive, and marks them as lost.
-- The shards are told afterwards, which can be repeated: `losing` names those that not every shard knows of.
--
--   ARGV[2] lease (ms)      ARGV[3] stale after (ms): when nobody looked for longer, every lease is longer by a full one
--   ARGV[4] silent after (ms): a node that missed all its beats but the last   ARGV[5] fuse: share of the nodes
--   ARGV[6] inbox behind (ms): how old what is read from the inbox is          ARGV[7] forget after (ms)
--
-- When many nodes fall silent together, that is rather the fault of what lies between: with four nodes or more, the pass
-- stops before the first is lost if more than the share of them is silent.
--
-- Reply: {tripped (0 | 1 | 2: just now), live nodes, silent ones, now (ms)}, losing {node, epoch, change}..., then to forget {node, epoch}...

-- @include key
-- @include fuses
local MOST_AT_ONCE, FEWEST_NODES = 100, 4
local lease, stale_after, silent_after, share = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local watch = redis.call('HMGET', WATCH, 'pass_at', 'open_at', 'grace_until')
local away = not watch[1] or now - watch[1] > stale_after or (watch[2] and now - watch[2] > stale_after)
local grace_until = math.min(away and math.huge or tonumber(watch[3] or 0), now + lease)

-- A clock that stepped back: beats of the future would keep a node for as long.
local early = redis.call('ZRANGE', HEARTBEATS, '(' .. now_text, '+inf', 'BYSCORE', 'LIMIT', 0, MOST_AT_ONCE)

local overdue, live, silent = {}, redis.call('ZCARD', HEARTBEATS), redis.call('ZCOUNT', HEARTBEATS, '-inf', now - silent_after)
local last_beat = '(' .. string.format('%d', now - lease)
for _, node in ipairs(now < grace_until and {} or redis.call('ZRANGE', HEARTBEATS, '-inf', last_beat, 'BYSCORE', 'LIMIT', 0, MOST_AT_ONCE)) do
  local known = redis.call('HMGET', key('node:', node), 'epoch', 'change', 'via')
  local patience = known[3] == 'inbox' and lease + ARGV[6] or lease
  if now - redis.call('ZSCORE', HEARTBEATS, node) > patience then
    overdue[#overdue + 1] = { node = node, epoch = known[1] or '0', change = tonumber(known[2] or 0) + 1 }
  end
end
redis.call('ZCARD', LOST_NODES)
redis.call('HLEN', FUSES)
local losing, old = redis.call('HGETALL', LOSING), redis.call('ZRANGE', LOST_NODES, '-inf', now - ARGV[7], 'BYSCORE', 'LIMIT', 0, 10)
local forget = {}
for _, node in ipairs(old) do forget[#forget + 1] = { node, redis.call('HGET', key('node:', node), 'epoch') or '0' } end

redis.call('HSET', WATCH, 'pass_at', now_text, 'grace_until', string.format('%d', grace_until))
for _, node in ipairs(early) do redis.call('ZADD', HEARTBEATS, now_text, node) end
local tripped = 0
if #overdue > 0 and live >= FEWEST_NODES and math.max(silent, #overdue) > share * live then
  local allowed, just_now = trip_fuse('nodes', { kind = 'nodes', silent = silent, live = live })
  if not allowed then overdue, tripped = {}, just_now and 2 or 1 end
elseif now >= grace_until then
  mend_fuse('nodes')
end
local told = {}
for _, run in ipairs(overdue) do
  redis.call('HSET', key('node:', run.node), 'state', 'lost', 'change', run.change, 'since', now_text)
  redis.call('ZREM', HEARTBEATS, run.node)
  redis.call('ZADD', LOST_NODES, now_text, run.node)
  redis.call('HSET', LOSING, run.node, run.epoch .. ' ' .. run.change)
  told[#told + 1] = { run.node, run.epoch, tostring(run.change) }
end
for i = 1, #losing, 2 do
  local epoch, change = string.match(losing[i + 1], '^(%d+) (%d+)$')
  told[#told + 1] = { losing[i], epoch, change }
end
return { { tripped, live, silent, now_text }, told, forget }
