-- For the verbs that refuse at a limit.

-- @include refusals
-- @include common-words
local MOST_SUMMED = 10000 -- users and limits in one second, beyond which each refusal is written in full: the stream has its own bound

-- Who asked, where the session came from and where it wanted to go, as fields of an event. It costs 3 us, so only what is written in full has them.
local function told_facts(record)
  local told, session, facts = {}, cmsgpack.unpack(record)
  if not facts then return told end
  if facts[3] then told[1], told[2] = 'sourceIp', facts[3] end
  if facts[4] then told[#told + 1], told[#told + 2] = 'sourcePort', facts[4] end
  if facts[5] then told[#told + 1], told[#told + 2] = 'destination', facts[5] end
  if facts[6] then told[#told + 1], told[#told + 2] = 'protocol', WORDS[facts[6]] or facts[6] end
  if facts[8] then told[#told + 1], told[#told + 2] = 'correlationId', facts[8] end
  if session[NODE] ~= '' then told[#told + 1], told[#told + 2] = 'node', session[NODE] end
  return told
end

-- Reads what writing down a refusal needs; the reply is a function that does it. The attempt is text, the record without its start.
local function plan_refusal(session_id, attempt, name, first_full, limits_json, record)
  local field, second = cjson.encode({ name, first_full.scope .. ':' .. first_full.key }), math.floor(now / 1000)
  local before, summed = redis.call('HGET', REFUSALS, field), redis.call('HLEN', REFUSALS)
  redis.call('XLEN', REJECTIONS)
  local known, more = nil, 0
  if before then known, more = read_sum(before) end
  local facts = known ~= second and told_facts(record) -- before any write: a foreign hand's record may be unreadable
  return function()
    if not facts then
      redis.call('HSET', REFUSALS, field, string.format('%d %d %s', second, more + 1, limits_json))
      return
    end
    if before then append_sum(field, before) end
    if before or summed < MOST_SUMMED then redis.call('HSET', REFUSALS, field, string.format('%d 0 %s', second, limits_json)) end
    append_refusal(session_id .. '/' .. attempt .. '/rejected', session_id, name, limits_json, unpack(facts))
  end
end
