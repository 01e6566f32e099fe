#!lua flags=allow-oom
-- Ends what departed runs of a node held, one run after the other, a bounded batch. Any number at once: each session ends once.
-- Nobody has to be told: a node that has restarted or left holds nothing of it, and a lost one is asked for a snapshot when it returns; but of
-- what an operator has end.
--
--   ARGV[2] batch: at most so many sessions   ARGV[3] tombstone (ms) of what ended with a restart, or when its node left
--
-- Reply: departed runs that are left, then the record {sessionId, record} of each session that ended.

-- @include reading
-- @include endings
-- @include strays
-- @include runs
local left = redis.call('ZCARD', DEPARTED)
if left == 0 then return { 0 } end
local departed = redis.call('ZRANGE', DEPARTED, 0, 0)[1]
local reason, by, node, named = string.match(departed, '^([a-z_]+)=?([^:]*):(.*):(%d+)$')

-- All runs below the present one are over, and that one if it is lost or has left; of a node that is forgotten, and where somebody has it end, the
-- run that is named.
local known, _, over = known_run(node)
local killed, is_leaving = reason == 'killed', reason == 'completed'
if killed then known = nil end
local through = known and (over and known or known - 1) or tonumber(named)
local noted = noted_runs(node)
local from_noted = known and redis.call('ZRANGE', noted, '-inf', run_text(through), 'BYSCORE', 'LIMIT', 0, 1)[1]
local epoch = from_noted or (tonumber(named) <= through and named)
local run_key = key('node_sessions:', node) .. ':' .. (epoch or '')
local ids, held = {}, 0
if epoch then ids, held = redis.call('SRANDMEMBER', run_key, ARGV[2]), redis.call('SCARD', run_key) end
redis.call('ZCARD', noted)
local commands = known and over == 'left' and key('commands:', node)
if commands then
  redis.call('HLEN', commands)
  redis.call('ZCARD', COMMANDED)
end

local plans, strays, kinds, reply = {}, {}, {}, { left }
for _, id in ipairs(ids) do
  local session = read_session(id)
  local kind = stray_kind(session)
  if kind then
    strays[#strays + 1], kinds[#kinds + 1] = id, kind
  else
    plans[#plans + 1] = plan_end(id, session, nil, not killed)
  end
end
local ending = {}
for i, home in ipairs((homes_of(strays))) do
  found_in(home, 'runs', run_name(node, epoch))
  ending[i] = plan_stray(home, kinds[i])
end
local length = touch_shard()
if #ids == held then
  if from_noted then
    redis.call('ZREM', noted, from_noted)
  else
    redis.call('ZREM', DEPARTED, departed)
    reply[1] = left - 1
    if commands then -- Berth may have ended some of its sessions meanwhile
      redis.call('UNLINK', commands)
      redis.call('ZREM', COMMANDED, node)
    end
  end
end
for _, plan in ipairs(ending) do
  local packed = reconcile(plan, length)
  if packed then reply[#reply + 1] = { plan.id, packed } end
end
for _, plan in ipairs(plans) do
  apply_end(plan, length, reason, is_leaving and LEFT_NOTE or '', (is_leaving or reason == 'node_restarted') and ARGV[3] or nil, by ~= '' and by or nil)
  reply[#reply + 1] = { plan.id, plan.session.packed }
end
return reply
