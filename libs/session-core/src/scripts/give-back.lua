-- A withdrawn admission does not count in the rates: what `rates.lua` took is given back. Reads first; `give_back` writes.

local log_key = PREFIX .. 'rates:ip:' .. ARGV[6]
local logged = ARGV[6] ~= '' and redis.call('ZCARD', log_key) > 0
local log_member = id .. '/' .. string.format('%d/admitted/%d', list[ATTEMPT], session.started)

-- @include rate
local unpaid = {}
local function forgive(rate_key, fields)
  local paid_until = tonumber(redis.call('GET', rate_key) or 0)
  local rates = paid_until > now and redis.call('HMGET', PREFIX .. 'limits', unpack(fields)) or {}
  local rate = rates[1] or rates[2]
  if rate then unpaid[#unpaid + 1] = { rate_key, paid_until - read_rate(rate) } end
end
if list[USER] ~= '' then forgive(key('rates:user:', list[USER]), { 'user_rate' }) end
for _, group in ipairs(list[GROUPS]) do
  local rate_key = key('rates:group:', group)
  forgive(rate_key, { 'group_rate:' .. string.sub(rate_key, #PREFIX + 13), 'kind_rate:' .. string.match(group, '^[^:]*') })
end

local function give_back()
  if logged then redis.call('ZREM', log_key, log_member) end
  for _, u in ipairs(unpaid) do
    if u[2] > now then redis.call('SET', u[1], string.format('%.17g', u[2]), 'KEEPTTL') else redis.call('DEL', u[1]) end
  end
end
