-- For the verbs that tell of a session as it is now; model/record.ts and common-words.ts have the same positions and words.

local FACTS = { 'from', 'to', 'sourceIp', 'sourcePort', 'destination', 'protocol', 'direction', 'correlationId' }
local METADATA = 9
local WORDS = { [0] = 'sip', 'inbound', 'outbound', 'ssh', 'web', 'socks' }

-- The session as its admission showed it in the outbox. Strings and whole numbers are encoded, which cannot fail after a write; the metadata
-- is JSON already, and stays as it is.
local function session_json(id, session)
  local list, _, facts = session.list, nil, {}
  if session.facts ~= '' then _, facts = cmsgpack.unpack_one(session.facts) end
  facts[6], facts[7] = WORDS[facts[6]] or facts[6], WORDS[facts[7]] or facts[7]
  local watched = list[NODE] ~= '' and list[EPOCH] > 0
  local parts = { '{"id":', cjson.encode(id), ',"attempt":', string.format('%d', list[ATTEMPT]), ',"tenant":', cjson.encode(TENANT),
    ',"user":', list[USER] == '' and 'null' or cjson.encode(list[USER]), ',"node":', list[NODE] == '' and 'null' or cjson.encode(list[NODE]),
    ',"epoch":', watched and string.format('%d', list[EPOCH]) or 'null', ',"state":', list[STATE] == RESERVED and '"reserved"' or '"active"',
    ',"groups":', #list[GROUPS] == 0 and '[]' or cjson.encode(list[GROUPS]),
    ',"priority":', list[EMERGENCY] and '"emergency"' or '"normal"', ',"maxDurationMs":', string.format('%d', list[LONGEST]) }
  for i, name in ipairs(FACTS) do
    parts[#parts + 1] = ',"' .. name .. '":' .. (facts[i] == nil and 'null' or cjson.encode(facts[i]))
  end
  return table.concat(parts) .. ',"metadata":' .. (facts[METADATA] or 'null') .. '}'
end
