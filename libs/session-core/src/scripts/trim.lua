#!lua flags=allow-oom
-- Ends sessions that are above one limit, of those that are named, until the limit holds: never more, whoever else is at it.
--
--   ARGV[2] scope: user | group | total   ARGV[3] user or group, '' for the total   ARGV[4] the key or person that lowered the limit
--   ARGV[5...] ids, in the order in which they go
--
-- Reply: how many sessions are above the limit still, then {sessionId, record} of each that ended.

-- @include reading
-- @include endings
-- @include strays
-- @include limits-in-force
local scope, name = ARGV[2], ARGV[3]
local set, names = DEADLINES, { 'total' }
if scope == 'user' then set, names = key('user_sessions:', name), { 'user:' .. name, 'user' } end
if scope == 'group' then
  set = key('group_sessions:', name)
  names = { 'group:' .. string.sub(set, #PREFIX + 16), 'kind:' .. string.match(name, '^[^:]*') }
end
local max, details = in_force(names)
local enforced = redis.call('HGET', PREFIX .. 'limits', 'enabled') == '1' and not details.observe and max > 0
local over = enforced and redis.call('ZCARD', set) - max or 0

local plans, strays, kinds, sessions, reply = {}, {}, {}, {}, { 0 }
for i = 5, #ARGV do
  if over <= 0 then break end
  local id = ARGV[i]
  local held = redis.call('ZSCORE', set, id)
  local session = held and read_session(id)
  local kind = held and stray_kind(session)
  if kind == 'gone' or kind == 'ended' then
    strays[#strays + 1], kinds[#kinds + 1] = id, kind
  elseif session and session.live and not session.list[EMERGENCY] then
    sessions[#sessions + 1] = { id, session }
  end
end
over = over - #strays -- what nobody has any more makes room before anybody's call does
for _, s in ipairs(sessions) do
  if over <= 0 then break end
  plans[#plans + 1] = plan_end(s[1], s[2])
  over = over - 1
end
local ending = {}
for i, home in ipairs((homes_of(strays))) do
  if scope ~= 'total' then found_in(home, scope .. 's', name, tonumber(redis.call('ZSCORE', set, home.id))) end
  ending[i] = plan_stray(home, kinds[i])
end
local length = touch_shard()
for _, plan in ipairs(ending) do
  local packed = reconcile(plan, length)
  if packed then reply[#reply + 1] = { plan.id, packed } end
end
for _, plan in ipairs(plans) do
  apply_end(plan, length, 'evicted', 'limit lowered to ' .. string.format('%d', max), nil, ARGV[4])
  reply[#reply + 1] = { plan.id, plan.session.packed }
end
reply[1] = math.max(0, over)
return reply
