-- For the verbs that ask whether a node's run is the present one. A run is a node from one start to the next, named by its epoch.

local NODES, DEPARTED = PREFIX .. 'nodes', PREFIX .. 'departed'

-- The run of a node that this shard knows: epoch, number of its latest change, whether it is lost. nil if none is known.
local function known_run(node)
  local value = redis.call('HGET', NODES, node)
  if not value then return nil end
  local epoch, change, lost = string.match(value, '^(%d+) ?(%d*) ?(l?)')
  return tonumber(epoch), tonumber(change) or 0, lost == 'l'
end

-- Whether the run that holds a session is over: the epoch of the present run, and whether that one is lost; nil if it goes on.
local function departed_run(list)
  if list[NODE] == '' or list[EPOCH] == 0 then return nil end
  local epoch, _, lost = known_run(list[NODE])
  if epoch and (epoch > list[EPOCH] or lost and epoch == list[EPOCH]) then return epoch, lost and epoch == list[EPOCH] end
  return nil
end

-- A new run has been seen. What the old one held is over at once, and ends in batches.
local function replace_run(node, epoch, change, old_epoch)
  redis.call('HSET', NODES, node, string.format('%d', epoch) .. (change > 0 and ' ' .. string.format('%d', change) or ''))
  if old_epoch then redis.call('ZADD', DEPARTED, now_text, 'node_restarted:' .. node .. ':' .. string.format('%d', old_epoch)) end
end
