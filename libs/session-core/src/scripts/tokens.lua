-- For the verbs that give a session an owner, or take one from it.

-- Who was answered that the session is on the books, and whose admission is refused should it still arrive: tokens, at most so
-- many of each. One more owner than that cannot withdraw any more; of the refused the oldest is forgotten.
local MOST_TOKENS = 8
local function place_of(tokens, token)
  for i, known in ipairs(tokens) do
    if known == token then return i end
  end
end
local function add_owner(list, token)
  if #list[OWNERS] < MOST_TOKENS then table.insert(list[OWNERS], token) end
end
local function revoke(list, token)
  table.insert(list[REVOKED], token)
  if #list[REVOKED] > MOST_TOKENS then table.remove(list[REVOKED], 1) end
end
