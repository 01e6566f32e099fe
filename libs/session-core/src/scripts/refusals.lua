-- The stream of refusals, for the verbs that refuse and for the sweep. Under attack only the first refusal of a user at a limit in each
-- second is written in full; the others of that second are one entry with their number.

local REJECTIONS, REFUSALS = PREFIX .. 'rejections', PREFIX .. 'refusals'
local MOST_SUMMED = 10000 -- users and limits in one second, beyond which each refusal is written in full: the stream has its own bound

local function append_refusal(event_id, session_id, name, limits_json, ...)
  redis.call('XADD', REJECTIONS, 'MAXLEN', '~', 10000, '*', 'v', '1', 'id', event_id, 'type', 'session.rejected', 'tenant', TENANT,
    'at', now_text, 'sessionId', session_id, 'user', name, 'limits', limits_json, ...)
end

-- What was counted under a name: in which second, how many beyond the first, the limits.
local function read_sum(value)
  local second, more, limits_json = string.match(value, '^(%d+) (%d+) (.*)$')
  return tonumber(second), tonumber(more), limits_json
end

local function append_sum(field, value)
  local second, more, limits_json = read_sum(value)
  if more > 0 then append_refusal(field .. '/rejected/' .. second, '', cjson.decode(field)[1], limits_json, 'count', more) end
end

-- Reads what writing down a refusal needs; the reply is a function that does it. The attempt is text.
local function plan_refusal(session_id, attempt, name, first_full, limits_json)
  local field, second = cjson.encode({ name, first_full.scope .. ':' .. first_full.key }), math.floor(now / 1000)
  local before, summed = redis.call('HGET', REFUSALS, field), redis.call('HLEN', REFUSALS)
  redis.call('XLEN', REJECTIONS)
  return function()
    local known, more = nil, 0
    if before then known, more = read_sum(before) end
    if known == second then
      redis.call('HSET', REFUSALS, field, string.format('%d %d %s', second, more + 1, limits_json))
      return
    end
    if before then append_sum(field, before) end
    if before or summed < MOST_SUMMED then redis.call('HSET', REFUSALS, field, string.format('%d 0 %s', second, limits_json)) end
    append_refusal(session_id .. '/' .. attempt .. '/rejected', session_id, name, limits_json)
  end
end
