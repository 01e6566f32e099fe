#!lua flags=allow-oom
-- The run of a node is lost: from now on nothing is admitted for it, and what it and its older runs held ends in batches.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] number of the change   ARGV[5] 1: tell the outbox (one shard of the tenant does)
--
-- Reply: {lost | kept, the epoch in force, number of its change, lost or left if it is over}. kept: a later change or run is in force, this one
-- was, or the run has left.

-- @include reading
-- @include endings
-- @include runs
local node, epoch, change = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local known, known_change, over = known_run(node)
if known and (known > epoch or known == epoch and (over == 'left' or known_change >= change)) then
  return { 'kept', run_text(known), run_text(known_change), over or '' }
end
local larger = not known and begin_larger(node, epoch)
if larger then return { 'kept', run_text(larger), '0', '' } end
local before, length = plan_run(node, epoch, known), redis.call('XLEN', EVENTS)
redis.call('ZREM', noted_runs(node), ARGV[3])
redis.call('HSET', NODES, node, ARGV[3] .. ' ' .. ARGV[4] .. ' lost')
redis.call('ZADD', DEPARTED, now_text, 'node_lost:' .. node .. ':' .. ARGV[3])
if before and before ~= epoch then redis.call('ZADD', DEPARTED, now_text, 'node_restarted:' .. node .. ':' .. run_text(before)) end
if ARGV[5] == '1' then
  append_event(length, node .. '/' .. ARGV[3] .. '/lost/' .. ARGV[4], 'node.lost', 'node', node, 'epoch', ARGV[3])
end
return { 'lost', ARGV[3], ARGV[4], 'lost' }
