#!lua flags=allow-oom
-- Finds the nodes that have not beaten for a lease, while the store was up and beats could arrive, and marks them as lost.
-- The shards are told afterwards, which can be repeated: `losing` names those that not every shard knows of. So it is with those that have left.
--
--   ARGV[2] lease (ms)      ARGV[3] stale after (ms): when nobody looked for longer, every lease is longer by a full one
--   ARGV[4] silent after (ms): a node counts as silent once it has missed every beat but one
--   ARGV[5] fuse: share of the nodes that hold sessions
--   ARGV[6] inbox behind (ms): how old what is read from the inbox is
--   ARGV[7] forget after (ms)   ARGV[8] the same for a node that held nothing when it was lost
--   ARGV[9] 1: it is known which nodes hold sessions; else none is silent, and none is judged
--   ARGV[10...] those nodes
--
-- When many nodes fall silent together, that is rather the fault of what lies between: where four nodes or more hold sessions, the
-- pass stops before the first of them is lost if more than the share of them is silent. The fuse mends when that is no longer so. What
-- holds nothing has nothing to lose: it neither counts nor is stopped.
--
-- Reply: {tripped (0 | 1 | 2: just now), live nodes that hold sessions, silent ones, now (ms)}, losing {node, epoch, change}..., then to
-- forget {node, epoch}..., then those that have left, of which not every shard knows {node, epoch, 1 if it has beaten}...

-- @include key
-- @include fuses
local MOST_AT_ONCE, FEWEST_NODES, ASKED_AT_ONCE, CONTESTED_MS = 100, 4, 1000, 60000
local lease, stale_after, silent_after, share = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local watch = redis.call('HMGET', WATCH, 'pass_at', 'open_at', 'grace_until')
local away = not watch[1] or now - watch[1] > stale_after or (watch[2] and now - watch[2] > stale_after)
local grace_until = math.min(away and math.huge or tonumber(watch[3] or 0), now + lease)

-- A clock that stepped back: beats of the future would keep a node for as long.
local early = redis.call('ZRANGE', HEARTBEATS, '(' .. now_text, '+inf', 'BYSCORE', 'LIMIT', 0, MOST_AT_ONCE)

-- Notes a node whose lease is over.
local function note_overdue(nodes, node, beat_at, held)
  if #nodes >= MOST_AT_ONCE or now - beat_at <= lease then return end
  local known = redis.call('HMGET', key('node:', node), 'epoch', 'change', 'via')
  if now - beat_at <= (known[3] == 'inbox' and lease + ARGV[6] or lease) then return end
  nodes[#nodes + 1] = { node = node, epoch = known[1] or '0', change = tonumber(known[2] or 0) + 1, held = held }
end

local live, silent, holds, overdue, idle = 0, 0, {}, {}, {}
local judged = ARGV[9] == '1' and now >= grace_until
for from = 10, #ARGV, ASKED_AT_ONCE do
  local beats = redis.call('ZMSCORE', HEARTBEATS, unpack(ARGV, from, math.min(#ARGV, from + ASKED_AT_ONCE - 1)))
  for i, beat_at in ipairs(beats) do
    local node = ARGV[from + i - 1]
    holds[node] = true
    if beat_at then
      live = live + 1
      if tonumber(beat_at) <= now - silent_after then silent = silent + 1 end
      if judged then note_overdue(overdue, node, tonumber(beat_at), true) end
    end
  end
end
local last_beat = '(' .. string.format('%d', now - lease)
local oldest = judged and redis.call('ZRANGE', HEARTBEATS, '-inf', last_beat, 'BYSCORE', 'LIMIT', 0, 3 * MOST_AT_ONCE, 'WITHSCORES') or {}
for i = 1, #oldest, 2 do
  if not holds[oldest[i]] then note_overdue(idle, oldest[i], tonumber(oldest[i + 1]), false) end
end
redis.call('ZCARD', LOST_NODES)
redis.call('HLEN', FUSES)
redis.call('ZCARD', PREFIX .. 'contested')
local losing, old = redis.call('HGETALL', LOSING), redis.call('ZRANGE', LOST_NODES, '-inf', now - ARGV[7], 'BYSCORE', 'LIMIT', 0, MOST_AT_ONCE)
local old_left = redis.call('ZRANGE', LEFT_NODES, '(0', now - ARGV[7], 'BYSCORE', 'LIMIT', 0, MOST_AT_ONCE)
local leaving = redis.call('ZRANGE', LEFT_NODES, 0, 0, 'BYSCORE', 'LIMIT', 0, MOST_AT_ONCE)
local forget, left = {}, {}
for _, nodes in ipairs({ old, old_left }) do
  for _, node in ipairs(nodes) do forget[#forget + 1] = { node, redis.call('HGET', key('node:', node), 'epoch') or '0' } end
end
for _, node in ipairs(leaving) do
  local known = redis.call('HMGET', key('node:', node), 'epoch', 'beaten')
  left[#left + 1] = { node, known[1] or '0', known[2] or '0' }
end

redis.call('HSET', WATCH, 'pass_at', now_text, 'grace_until', string.format('%d', grace_until))
redis.call('ZREMRANGEBYSCORE', PREFIX .. 'contested', '-inf', now - CONTESTED_MS)
for _, node in ipairs(early) do redis.call('ZADD', HEARTBEATS, now_text, node) end
local tripped = 0
if ARGV[9] == '1' then
  if live < FEWEST_NODES or math.max(silent, #overdue) <= share * live then
    mend_fuse('nodes')
  elseif #overdue > 0 then
    local allowed, just_now = trip_fuse('nodes', { kind = 'nodes', silent = silent, live = live })
    if not allowed then overdue, tripped = {}, just_now and 2 or 1 end
  elseif redis.call('HEXISTS', FUSES, 'nodes') == 1 then
    tripped = 1
  end
end
for _, run in ipairs(idle) do overdue[#overdue + 1] = run end
local told = {}
for _, run in ipairs(overdue) do
  redis.call('HSET', key('node:', run.node), 'state', 'lost', 'change', run.change, 'since', now_text)
  redis.call('ZREM', HEARTBEATS, run.node)
  redis.call('ZADD', LOST_NODES, string.format('%d', run.held and now or now - ARGV[7] + ARGV[8]), run.node)
  redis.call('HSET', LOSING, run.node, run.epoch .. ' ' .. run.change)
  told[#told + 1] = { run.node, run.epoch, tostring(run.change) }
end
for i = 1, #losing, 2 do
  local epoch, change = string.match(losing[i + 1], '^(%d+) (%d+)$')
  told[#told + 1] = { losing[i], epoch, change }
end
return { { tripped, live, silent, now_text }, told, forget, left }
