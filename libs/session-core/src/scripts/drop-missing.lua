#!lua flags=allow-oom
-- Ends, a bounded batch, what is missing from two complete lists of its run, the second begun after the first was complete. Provisionally:
-- should it live after all, the node has a command to end it, or restores it by listing it.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] mark (ms) of the second   ARGV[5] batch
--
-- Reply: dropped, how many are left, how many this snapshot has dropped so far | gone (the list is no longer here)

-- @include reading
-- @include endings
-- @include staging
local STAGED_MS = '1200000'
if not is_listed_here() then return { 'gone' } end
local dropped, before = staged('dropped'), '(' .. ARGV[4]
local due_to_go = redis.call('ZRANGE', MISSING, '-inf', before, 'BYSCORE', 'LIMIT', 0, ARGV[5], 'WITHSCORES')
local left, count, ids, plans = redis.call('ZCOUNT', MISSING, '-inf', before), redis.call('SCARD', dropped), {}, {}
for i = 1, #due_to_go, 2 do
  local id, since = due_to_go[i], tonumber(due_to_go[i + 1])
  local session = read_session(id)
  local list = session and session.live and session.list
  local here = list and list[NODE] == node and (list[EPOCH] == epoch or list[EPOCH] == 0)
  if here and session.started < since and redis.call('SISMEMBER', LISTED, id) == 0 then plans[#plans + 1] = plan_end(id, session) end
  ids[#ids + 1] = id
end
local length = touch_shard()
if #ids > 0 then redis.call('ZREM', MISSING, unpack(ids)) end
for _, plan in ipairs(plans) do
  apply_end(plan, length, 'reconciled', '')
  redis.call('SADD', dropped, plan.id)
end
if #plans > 0 then redis.call('PEXPIRE', dropped, STAGED_MS) end
return { 'dropped', left - #ids, count + #plans }
