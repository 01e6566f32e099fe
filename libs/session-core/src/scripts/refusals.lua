-- The stream of refusals, for the verbs that refuse and for the upkeep. Under attack only the first refusal of a user at a limit in each
-- second is written in full; the others of that second are one entry with their number, and with `since`, when that second began.

local REJECTIONS, REFUSALS = PREFIX .. 'rejections', PREFIX .. 'refusals'

local function append_refusal(event_id, session_id, name, limits_json, ...)
  redis.call('XADD', REJECTIONS, 'MAXLEN', '~', REJECTIONS_BOUND, '*', 'v', '1', 'id', event_id, 'type', 'session.rejected', 'tenant', TENANT,
    'at', now_text, 'sessionId', session_id, 'user', name, 'limits', limits_json, ...)
end

-- What was counted under a name: in which second, how many beyond the first, the limits.
local function read_sum(value)
  local second, more, limits_json = string.match(value, '^(%d+) (%d+) (.*)$')
  return tonumber(second), tonumber(more), limits_json
end

local function append_sum(field, value)
  local second, more, limits_json = read_sum(value)
  if more == 0 then return end
  append_refusal(field .. '/rejected/' .. second, '', cjson.decode(field)[1], limits_json, 'count', more, 'since', string.format('%d', second * 1000))
end
