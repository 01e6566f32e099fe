-- The part of `admit.lua` for most refusals: an id never seen, limits that reject and have no details, and nothing that is due under those that
-- are full. Under an attack a refusal must not cost more than an admission; `admit-closely.lua` would cost a third more. Falls through to it
-- where anything is out of the ordinary.

-- @include key
local full, sets, actions_of = {}, {}, {}
local function look_at(scope, name, set, count, most, action)
  if most <= 0 or count < most then return end
  full[#full + 1] = { scope = scope, key = name, max = most, active = count, action = 'reject' }
  sets[#full], actions_of[#full] = set, action
end
if user ~= '' then look_at('user', user, user_sessions, held, max, 'action') end
for n = 1, #group_held do
  local name = ARGV[12 + 3 * n]
  look_at('group', ARGV[13 + 3 * n], PREFIX .. 'group_sessions:' .. name, group_held[n], group_max[n], 'kind_action:' .. string.match(name, '^[^:]*'))
end
look_at('total', '*', DEADLINES, total, total_max, 'total_action')

local plain = redis.call('ZCARD', PREFIX .. 'departed') == 0
local actions = #full > 0 and redis.call('HMGET', PREFIX .. 'limits', unpack(actions_of)) or {}
for i, limit in ipairs(full) do
  plain = plain and actions[i] ~= 'terminate_oldest'
  if plain and limit.active <= 64 then
    local ids = redis.call('ZRANGE', sets[i], 0, -1)
    for n, at in ipairs(redis.call('ZMSCORE', DEADLINES, unpack(ids))) do
      if at and tonumber(at) <= now then plain = false end
      ids[n] = key('session:', ids[n])
    end
    plain = plain and redis.call('EXISTS', unpack(ids)) == #ids -- else a place is taken by what has no record
  end
end
for _, rate in ipairs(rates_full or {}) do
  full[#full + 1] = rate
  plain = plain and not rate.observed
end
if plain then
  local limits_json = cjson.encode(full)
  if dry then return { 'rejected', version, limits_json } end
-- @include plan-refusal
  plan_refusal(id, string.match(ARGV[8], '/(%d+)/admitted/$'), user, full[1], limits_json, ARGV[6])()
  return { 'rejected', version, limits_json }
end
