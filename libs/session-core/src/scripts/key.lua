-- `escapeKeyPart` in keys.ts has the same rule. Each escape is made once: a hostile id has 250 of them, and a batch many ids.
local escapes
local function key(kind, name)
  if string.find(name, '[^%w%._~@:+%-]') then
    escapes = escapes or setmetatable({}, { __index = function(known, char)
      known[char] = string.format('%%%02X', string.byte(char))
      return known[char]
    end })
    name = string.gsub(name, '[^%w%._~@:+%-]', escapes)
  end
  return PREFIX .. kind .. name
end
