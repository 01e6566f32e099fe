-- What is in force of a limit, from its most particular field to the most general: its max, and its details.
local function in_force(names)
  local fields, details = {}, nil
  for i, name in ipairs(names) do fields[i], fields[#names + i] = name, 'more:' .. name end
  local values = redis.call('HMGET', PREFIX .. 'limits', unpack(fields))
  for i = 1, #names do
    local max = tonumber(values[i])
    if max then return max, details or {} end
    if values[i] then
      local more = cjson.decode(values[#names + i])
      if more.temporary and now < more.temporary.untilMs then return more.temporary.max, details or more end
      if more.max then return more.max, details or more end
      if more.observe or more.reserve then details = details or more end -- else it was a temporary one, and has given way
    end
  end
  return 0, details or {}
end
