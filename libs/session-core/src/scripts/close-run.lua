#!lua flags=allow-oom
-- A node leaves: its run is over in this shard for good, what it holds ends in batches, and what it was still to do is dropped. Of a name that has
-- not beaten nothing is kept: its runs up to this one are over, and its next session is as its first.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] 1: it has beaten, although its first beat may be on its way here still
--
-- Reply: 1 if it may hold more: ask again, 0 done

-- @include reading
-- @include runs
local MAX_RUNS = 100
local node, epoch, noted = ARGV[2], tonumber(ARGV[3]), noted_runs(ARGV[2])
local known, change = known_run(node)
local beaten = known or ARGV[4] == '1'
if known and known > epoch or not known and beaten and begin_larger(node, epoch) then return 0 end
local commands, commanded = key('commands:', node), PREFIX .. 'commanded'
local runs = beaten and { ARGV[3] } or redis.call('ZRANGE', noted, '-inf', ARGV[3], 'BYSCORE', 'LIMIT', 0, MAX_RUNS)
local more = not beaten and #runs == MAX_RUNS
if redis.call('SCARD', key('node_sessions:', node) .. ':0') > 0 then runs[#runs + 1] = '0' end
for _, index in ipairs({ DEPARTED, commanded, noted }) do redis.call('ZCARD', index) end
redis.call('SCARD', PREFIX .. 'draining')
redis.call('HLEN', BEGUN)
redis.call('HLEN', commands)

redis.call('UNLINK', commands)
redis.call('ZREM', commanded, node)
redis.call('SREM', PREFIX .. 'draining', node)
if beaten then
  redis.call('ZREM', DEPARTED, 'node_lost:' .. node .. ':' .. ARGV[3])
  redis.call('HDEL', BEGUN, node)
  redis.call('HSET', NODES, node, ARGV[3] .. ' ' .. run_text(known == epoch and change or 0) .. ' left')
  if known and known < epoch then redis.call('ZADD', DEPARTED, now_text, 'node_restarted:' .. node .. ':' .. run_text(known)) end
elseif #runs > 0 then
  redis.call('ZREM', noted, unpack(runs))
end
for _, run in ipairs(runs) do redis.call('ZADD', DEPARTED, now_text, 'completed:' .. node .. ':' .. run) end
return more and 1 or 0
