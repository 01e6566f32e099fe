-- The rates of one admission, for `admit.lua`: sets rates_full where one has no room, and take_rates, which counts this admission.
-- Only admissions are counted, so a refused one leaves no trace here. Emergency sessions and those that have started are counted too.
--
-- Of an address in an hour: a log of its admissions, exact (sliding log). Per second: GCRA (ITU-T I.371), one moment per user or
-- group: when the calls so far are paid for. `withdraw.lua` gives back what a withdrawn admission took.

local HOUR_MS = 3600000
local wanted = { 'ip', 'more:ip', 'user_rate', 'alert' }
for i = 15, #ARGV, 3 do
  wanted[#wanted + 1] = 'group_rate:' .. ARGV[i]
  wanted[#wanted + 1] = 'kind_rate:' .. string.match(ARGV[i], '^[^:]*')
end
local said = redis.call('HMGET', PREFIX .. 'limits', unpack(wanted))
local log_key, log_max = PREFIX .. 'rates:ip:' .. ARGV[14], tonumber(said[1] or 0)
local logs, paid = log_max > 0 and ARGV[14] ~= '', {}

-- @include rate
local function full(scope, name, most, count, retry_ms)
  rates_full = rates_full or {}
  rates_full[#rates_full + 1] = { scope = scope, key = name, max = most, active = count, action = 'reject',
    retryAfterMs = math.max(1, math.ceil(retry_ms)) }
end

if logs then
  -- Moments ahead are of before the clock stepped back; more than an hour ahead, it was wrong then.
  local since, ahead = '(' .. string.format('%d', now - HOUR_MS), string.format('%d', now + HOUR_MS)
  local logged = redis.call('ZCOUNT', log_key, since, ahead)
  if logged >= log_max then
    local oldest = redis.call('ZRANGE', log_key, since, ahead, 'BYSCORE', 'LIMIT', logged - log_max, 1, 'WITHSCORES')
    full('ip', ARGV[14], log_max, logged, tonumber(oldest[2]) + HOUR_MS - now)
    if said[2] and cjson.decode(said[2]).observe then rates_full[#rates_full].observed = true end
  end
end

local function pace(scope, name, rate_key, field)
  local each, burst = read_rate(field)
  if each == 0 then return end
  -- Nothing is paid for longer ahead than a whole burst. Where it seems so, the clock stepped back or the rate has been raised: as a refusal
  -- writes nothing, that must not keep anybody out, and the next call is let in.
  local paid_until = math.max(tonumber(redis.call('GET', rate_key) or 0), now)
  if paid_until > now + burst * each then paid_until = now + (burst - 1) * each end
  local early_by = paid_until - (burst - 1) * each - now
  if early_by > 0 then full(scope, name, burst, math.ceil((paid_until - now) / each), early_by) end
  paid[#paid + 1] = { rate_key, math.min(paid_until + each, now + burst * each) }
end
if said[3] and user ~= '' then pace('user', user, PREFIX .. 'rates:user:' .. string.sub(user_sessions, #PREFIX + 15), said[3]) end
for n = 1, #group_held do
  local field = said[3 + 2 * n] or said[4 + 2 * n]
  if field then pace('group', ARGV[13 + 3 * n], PREFIX .. 'rates:group:' .. ARGV[12 + 3 * n], field) end
end
if said[4] then redis.call('HLEN', PREFIX .. 'creations') end

take_rates = function()
  if logs then
    redis.call('ZREMRANGEBYSCORE', log_key, '-inf', now - HOUR_MS)
    redis.call('ZADD', log_key, now_text, ARGV[8] .. now_text)
    redis.call('PEXPIRE', log_key, HOUR_MS)
  end
  for _, p in ipairs(paid) do redis.call('SET', p[1], string.format('%.17g', p[2]), 'PX', math.max(1, math.ceil(p[2] - now))) end
  if said[4] then
    redis.call('HINCRBY', PREFIX .. 'creations', math.floor(now / 60000), 1)
    redis.call('PEXPIRE', PREFIX .. 'creations', 2 * HOUR_MS)
  end
end
