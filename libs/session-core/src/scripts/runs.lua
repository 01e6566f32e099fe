-- For the verbs that ask whether a node's run is the present one. A run is a node from one start to the next, named by its epoch.
--
-- A name that has beaten is in `nodes`, with its present run, in every shard: each of its runs is watched. Of a name that has not beaten
-- `node_runs` has the runs that hold sessions here, so that its first beat finds them: by their epoch, or where that was ahead of the
-- clock when they came, by its negative; such a run is never taken for the present one.

local NODES, DEPARTED, BEGUN = PREFIX .. 'nodes', PREFIX .. 'departed', PREFIX .. 'begun'

-- What sessions end with whose node has left: their reason alone would be that of a call that was hung up.
local LEFT_NOTE = 'its node has left'

-- The run of a node that this shard knows: epoch, number of its latest change, and where it is over `lost` or `left`. nil for a name that has
-- not beaten.
local function known_run(node)
  local value = redis.call('HGET', NODES, node)
  if not value then return nil end
  local epoch, change, over = string.match(value, '^(%d+) ?(%d*) ?(%a*)')
  return tonumber(epoch), tonumber(change) or 0, over ~= '' and over or nil
end

local function run_text(epoch) return string.format('%d', epoch) end

-- By what a run is noted.
local function note_score(epoch) return run_text(epoch > now + MOST_AHEAD_MS and -epoch or epoch) end

-- The noted run of a node that comes last from this score down.
local function noted_below(node, score)
  return tonumber(redis.call('ZRANGE', noted_runs(node), score, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, 1)[1])
end

-- A session that does not say its epoch joins the run of its node that beats; without one it is not watched.
local function joined_epoch(node, epoch)
  if epoch > 0 or node == '' then return epoch end
  return known_run(node) or 0
end

-- With what a session ends whose run is over: reason and note; nil if the run goes on.
local function departed_run(list)
  if list[NODE] == '' or list[EPOCH] == 0 then return nil end
  local epoch, _, over = known_run(list[NODE])
  if not epoch or epoch < list[EPOCH] then return nil end
  if epoch > list[EPOCH] then return 'node_restarted', '' end
  if over == 'left' then return 'completed', LEFT_NOTE end
  return over and 'node_lost', ''
end

-- Reads what `replace_run` writes. Returns a run before this one: the known one, or one that is noted.
local function plan_run(node, epoch, known)
  redis.call('ZCARD', DEPARTED)
  redis.call('HLEN', BEGUN)
  redis.call('ZCARD', noted_runs(node))
  return known or noted_below(node, '(' .. run_text(epoch))
end

-- A new run has been seen. What the old ones held is over at once, and ends in batches. `begins`: none of its beats has been seen; whoever
-- watches the nodes takes it from here, so that it is watched from this step on, whatever becomes of the process that asked.
local function replace_run(node, epoch, change, before, begins)
  redis.call('ZREM', noted_runs(node), run_text(epoch))
  redis.call('HSET', NODES, node, run_text(epoch) .. (change > 0 and ' ' .. run_text(change) or ''))
  if before then redis.call('ZADD', DEPARTED, now_text, 'node_restarted:' .. node .. ':' .. run_text(before)) end
  if begins then redis.call('HSET', BEGUN, node, run_text(epoch) .. ' ' .. now_text) end
end

-- The first that this shard hears of a name's beating is a run that is older than one that holds sessions here: the larger one is its
-- present run. Returns its epoch, nil where there is none.
local function begin_larger(node, epoch)
  local largest = redis.call('ZRANGE', noted_runs(node), '+inf', '(' .. run_text(epoch), 'BYSCORE', 'REV', 'LIMIT', 0, 1)[1]
  if not largest then return nil end
  largest = tonumber(largest)
  replace_run(node, largest, 0, plan_run(node, largest), true)
  return largest
end
