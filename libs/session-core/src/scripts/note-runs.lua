#!lua flags=allow-oom
-- Books of a release that did not note runs: brings their runs to where this one has them, a bounded batch of sessions. Once for a shard: it
-- is done when it has seen all sessions and found no run that was not noted.
--
--   ARGV[2] batch
--
-- Reply: 1 done, 0 ask again

-- @include reading
-- @include runs
local PULSE = PREFIX .. 'pulse'
local state = redis.call('HMGET', PULSE, 'runs_noted', 'runs_cursor', 'runs_found')
if state[1] then return 1 end
local page = redis.call('ZSCAN', DEADLINES, state[2] or '0', 'COUNT', ARGV[2])
local draining = redis.call('ZCARD', DEPARTED) > 0
redis.call('HLEN', BEGUN)

-- What to do about a run, as the function that does it; and whether it was not known.
local function plan(node, epoch, noted)
  local known, _, lost = known_run(node)
  if known and known > epoch then
    return function() redis.call('ZADD', DEPARTED, now_text, 'node_restarted:' .. node .. ':' .. run_text(epoch)) end, false
  end
  if known == epoch then -- the tenant may not know it; said as of long ago, it revives nothing that was lost since
    return not lost and function() redis.call('HSET', BEGUN, node, run_text(epoch) .. ' 0') end, false
  end
  if known and epoch > now + MOST_AHEAD_MS then return nil, false end
  if draining then return nil, true end -- it may be one of a node that was forgotten and is about to end: the next time
  if known then return function() replace_run(node, epoch, 0, known, true) end, true end
  if redis.call('ZSCORE', noted, run_text(epoch)) then return nil, false end
  return function() redis.call('ZADD', noted, note_score(epoch), run_text(epoch)) end, true
end

local writes, seen, found = {}, {}, state[3] == '1'
for i = 1, #page[2], 2 do
  local session = read_session(page[2][i])
  local list = session and session.live and session.list
  local run = list and list[NODE] ~= '' and list[EPOCH] > 0 and list[NODE] .. ':' .. run_text(list[EPOCH])
  if run and not seen[run] then
    local write, new = plan(list[NODE], list[EPOCH], noted_runs(list[NODE]))
    seen[run], found = true, found or new
    if write then writes[#writes + 1] = write end
  end
end

local done = page[1] == '0' and not found
redis.call('HSET', PULSE, 'runs_cursor', page[1], 'runs_found', found and page[1] ~= '0' and '1' or '0')
if done then
  redis.call('HDEL', PULSE, 'runs_cursor', 'runs_found')
  redis.call('HSET', PULSE, 'runs_noted', now_text)
end
for _, write in ipairs(writes) do write() end
return done and 1 or 0
