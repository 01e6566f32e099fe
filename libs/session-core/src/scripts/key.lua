-- `escapeKeyPart` in keys.ts has the same rule. Each escape is made once: a hostile id has 250 of them, and a batch many ids.
-- The keys of a session are mostly asked for one after the other, so the last name is kept: 0.4 of 29 us of an end.
local escapes, last_name, last_escaped
local function key(kind, name)
  if name == last_name then return PREFIX .. kind .. last_escaped end
  last_name = name
  if string.find(name, '[^%w%._~@:+%-]') then
    escapes = escapes or setmetatable({}, { __index = function(known, char)
      known[char] = string.format('%%%02X', string.byte(char))
      return known[char]
    end })
    name = string.gsub(name, '[^%w%._~@:+%-]', escapes)
  end
  last_escaped = name
  return PREFIX .. kind .. name
end
