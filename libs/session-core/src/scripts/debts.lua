-- For the verbs that give a user another name: the calls of the old one that are not paid for count for the new one (`rates.lua`). Where two
-- users become one the larger debt counts. Reads first; `pay_later` writes.
local debts = {}
local function read_debt(name, paid_until)
  local rate_key = key('rates:user:', name)
  local known = tonumber(redis.call('GET', rate_key) or 0)
  debts[rate_key] = math.max(debts[rate_key] or known, paid_until)
  if debts[rate_key] <= math.max(known, now) then debts[rate_key] = nil end
end

local function pay_later()
  for rate_key, paid_until in pairs(debts) do
    redis.call('SET', rate_key, string.format('%.17g', paid_until), 'PX', math.max(1, math.ceil(paid_until - now)))
  end
end
