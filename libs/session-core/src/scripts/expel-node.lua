#!lua flags=allow-oom
-- An operator forgets a node: its name counts as one that never beat, and what it held is over, and ends in batches.
--
--   ARGV[2] node   ARGV[3] who said so, without a colon
--
-- Reply: 1 the node was known here or held anything, sessions that are over now, 1 if it may hold more: ask again

-- @include reading
-- @include runs
local MOST_RUNS = 100
local node, node_sessions, noted = ARGV[2], key('node_sessions:', ARGV[2]) .. ':', noted_runs(ARGV[2])
local known = known_run(node)
local runs, sessions = redis.call('ZRANGE', noted, 0, MOST_RUNS - 1), 0
local more = #runs == MOST_RUNS
redis.call('ZCARD', DEPARTED)
redis.call('HLEN', BEGUN)
redis.call('SCARD', PREFIX .. 'draining')
local over, others = {}, { '0', known and run_text(known) }
for _, list in ipairs({ runs, others }) do
  for _, epoch in ipairs(list) do
    local held = redis.call('SCARD', node_sessions .. epoch)
    local name = 'killed=' .. ARGV[3] .. ':' .. node .. ':' .. epoch
    if held > 0 and not over[name] then
      over[name], sessions = true, sessions + held
    end
  end
end
redis.call('HDEL', NODES, node)
redis.call('HDEL', BEGUN, node)
redis.call('SREM', PREFIX .. 'draining', node)
if known then redis.call('ZREM', DEPARTED, 'node_lost:' .. node .. ':' .. run_text(known)) end
if #runs > 0 then redis.call('ZREM', noted, unpack(runs)) end
for name in pairs(over) do redis.call('ZADD', DEPARTED, now_text, name) end
return { (known or next(over)) and 1 or 0, sessions, more and 1 or 0 }
