-- For the verbs that tell of a session as it is now; model/record.ts has the same positions.

local FACTS = { 'from', 'to', 'sourceIp', 'sourcePort', 'destination', 'protocol', 'direction', 'correlationId' }
local METADATA = 9
-- @include common-words

-- The session as its admission showed it in the outbox (`eventSession` in admit.script.ts has the same rule for what is left out). Strings
-- and whole numbers are encoded, which cannot fail after a write; the metadata is JSON already, and stays as it is.
local function session_json(id, session)
  local list, _, facts = session.list, nil, {}
  if session.facts ~= '' then _, _, facts = pcall(cmsgpack.unpack_one, session.facts) end
  if type(facts) ~= 'table' then facts = {} end
  facts[6], facts[7] = WORDS[facts[6]] or facts[6], WORDS[facts[7]] or facts[7]
  local parts = { '{"id":', cjson.encode(id), ',"attempt":', string.format('%d', list[ATTEMPT]) }
  local function tell(name, json)
    parts[#parts + 1] = ',"' .. name .. '":'
    parts[#parts + 1] = json
  end
  if list[USER] ~= '' then tell('user', cjson.encode(list[USER])) end
  if list[NODE] ~= '' then
    tell('node', cjson.encode(list[NODE]))
    if list[EPOCH] > 0 then tell('epoch', string.format('%d', list[EPOCH])) end
  end
  if list[STATE] == RESERVED then tell('state', '"reserved"') end
  if #list[GROUPS] > 0 then tell('groups', cjson.encode(list[GROUPS])) end
  if list[EMERGENCY] then tell('priority', '"emergency"') end
  if list[LONGEST] > 0 then tell('maxDurationMs', string.format('%d', list[LONGEST])) end
  for i, name in ipairs(FACTS) do
    if facts[i] ~= nil then tell(name, cjson.encode(facts[i])) end
  end
  if type(facts[METADATA]) == 'string' then tell('metadata', facts[METADATA]) end
  return table.concat(parts) .. '}'
end
