#!lua flags=no-writes
-- A page of the live sessions of a user or group, in the order of start and, where starts are equal, of id. What lives from the first page to
-- the last is in exactly one, whatever begins and ends meanwhile: the place after which a page begins is a start and an id, not a number.
--
--   ARGV[2] scope: user | group   ARGV[3] user or group   ARGV[4] start (ms) and ARGV[5] id of the last one that was seen, '' for none
--   ARGV[6] at most so many
--
-- Reply: id and start of each, in turn.

-- @include key
local set, start, id = key(ARGV[2] .. '_sessions:', ARGV[3]), ARGV[4], ARGV[5]

-- As Redis orders members of equal score: by bytes. The operators of Lua follow the language of the server.
local function is_after(member)
  for i = 1, math.min(#member, #id) do
    local one, other = string.byte(member, i), string.byte(id, i)
    if one ~= other then return one > other end
  end
  return #member > #id
end

local first = 0
if id ~= '' then
  first = redis.call('ZCOUNT', set, '-inf', '(' .. start)
  local beyond = first + redis.call('ZCOUNT', set, start, start)
  while first < beyond do
    local middle = math.floor((first + beyond) / 2)
    if is_after(redis.call('ZRANGE', set, middle, middle)[1]) then beyond = middle else first = middle + 1 end
  end
end
return redis.call('ZRANGE', set, first, first + ARGV[6] - 1, 'WITHSCORES')
