#!lua
-- Puts a run of a node into force in this shard: after its start, or when it returns from having been lost.
-- Changes of one run are numbered, so that a late one is without effect.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] number of the change   ARGV[5] 1: tell the outbox (one shard of the tenant does)
--
-- Reply: {entered | kept | stale, the epoch in force, number of its change, lost or left if it is over}. kept: this change, or a later one, was in
-- force. What has left is over for good, whatever the number.

-- @include reading
-- @include endings
-- @include runs
local node, epoch, change = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local known, known_change, over = known_run(node)
local function reply(word) return { word, run_text(known), run_text(known_change), over or '' } end
if known and known > epoch then return reply('stale') end
if known == epoch and (over == 'left' or known_change > change or known_change == change and not over) then return reply('kept') end
local larger = not known and begin_larger(node, epoch)
if larger then return { 'stale', run_text(larger), '0', '' } end
local before, length = plan_run(node, epoch, known), redis.call('XLEN', EVENTS)
if known == epoch then
  redis.call('HSET', NODES, node, ARGV[3] .. ' ' .. ARGV[4])
  redis.call('ZREM', DEPARTED, 'node_lost:' .. node .. ':' .. ARGV[3])
else
  replace_run(node, epoch, change, before)
end
if known == epoch and ARGV[5] == '1' then
  append_event(length, node .. '/' .. ARGV[3] .. '/returned/' .. ARGV[4], 'node.returned', 'node', node, 'epoch', ARGV[3])
end
return { 'entered', ARGV[3], ARGV[4], '' }
