-- Trims a stream behind the slowest group that is registered and was seen lately, then cuts what is above the hard bound and says
-- what that took from whom. Each call does a bounded amount of work; the caller repeats it while there is more.
--
--   KEYS[1] stream
--   KEYS[2] groups      hash   group -> last seen (ms)
--   ARGV[1] groupAgeMs  a group that was not seen for longer holds nothing back, and is forgotten
--   ARGV[2] maxLength   the hard bound
--   ARGV[3] keepLength  so many of the newest stay although nobody needs them any more, up to a node of the stream more
--   ARGV[4] memoryShare when Redis has used more than this share of its maxmemory, memory is short: what no group needs goes, down to
--                       nothing, then what groups still need, down to keepLength; 0: never
--   ARGV[5] ...         fields of an entry that marks what a cut took from somebody, in turn; none: it is not marked
--
-- Reply {behind, cut, more, aged, losses, short}: entries trimmed behind all groups, entries cut by the bound, 1 when there is more to do,
-- names of groups that aged out, {group, unread, pending} in turn for each group that lost entries, and 1 when memory was short.
--
-- The boundary of a group is its oldest pending entry, or where nothing is pending the entry after the last one delivered. A registered
-- group that the stream does not have will be made anew from the beginning: it holds back everything.
local TRIM_LIMIT = 10000 -- whole nodes of the stream are dropped: cheap
local CUT_LIMIT = 500 -- entries are looked at one by one: about 1 ms

local stream, groups = KEYS[1], KEYS[2]
local age, bound, keep = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function parse(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return { tonumber(ms), tonumber(seq) }
end
local function before(a, b)
  return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2])
end
local function pairs_of(row)
  local named = {}
  for i = 1, #row, 2 do named[row[i]] = row[i + 1] end
  return named
end

local registered = redis.call('HGETALL', groups)
local length = redis.call('XLEN', stream)
local found = {}
if length > 0 then
  for _, row in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local group = pairs_of(row)
    found[group.name] = group
  end
end

local live, aged, boundary = {}, {}, nil
for i = 1, #registered, 2 do
  local name = registered[i]
  if now - tonumber(registered[i + 1]) > age then
    aged[#aged + 1] = name
  else
    local group, delivered, needs = found[name], { 0, 0 }, { 0, 0 }
    if group then
      delivered = parse(group['last-delivered-id'])
      needs = { delivered[1], delivered[2] + 1 }
      if group.pending > 0 then needs = parse(redis.call('XPENDING', stream, name)[2]) end
    end
    live[#live + 1] = { name = name, exists = group ~= nil, delivered = delivered, unread = 0, pending = 0 }
    if boundary == nil or before(needs, boundary) then boundary = needs end
  end
end
if #aged > 0 then redis.call('HDEL', groups, unpack(aged)) end
if length == 0 then return { 0, 0, 0, aged, {}, 0 } end

-- Full memory would refuse whatever Redis is needed for; some may not ask how full it is.
local function memory_is_short()
  local share = tonumber(ARGV[4])
  if share <= 0 then return false end
  local info = redis.pcall('INFO', 'memory')
  if type(info) ~= 'string' then return false end
  local max = tonumber(string.match(info, 'maxmemory:(%d+)') or 0)
  return max > 0 and tonumber(string.match(info, 'used_memory:(%d+)') or 0) > share * max
end

local short = memory_is_short()
local tail, floor = short and 0 or keep, short and #live == 0 and 0 or keep
local behind, more = 0, 0
if boundary ~= nil and length > tail then
  local id = string.format('%.0f-%.0f', boundary[1], boundary[2])
  behind = redis.call('XTRIM', stream, 'MINID', '~', id, 'LIMIT', math.min(TRIM_LIMIT, length - tail))
  -- No whole node is left behind the boundary: what remains is a part of one node, so that an exact trim is cheap too.
  if behind > 0 then more = 1 elseif tail == 0 then behind = redis.call('XTRIM', stream, 'MINID', '=', id) end
end

local left = redis.call('XLEN', stream)
short = short and more == 0 and left > floor and memory_is_short()
local excess = left - (short and math.min(bound, math.max(floor, left - CUT_LIMIT)) or bound)
if excess > 0 and #ARGV > 4 and #live > 0 then excess = excess + 1 end -- room for the mark
local cut = math.min(math.max(excess, 0), CUT_LIMIT)
if cut > 0 and more == 0 then
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', cut)
  for _, group in ipairs(live) do
    for i = 1, cut do
      if before(group.delivered, parse(first[i][1])) then group.unread = group.unread + 1 end
    end
    -- What an earlier cut took is still on the pending list, and was counted then.
    if group.exists then group.pending = #redis.call('XPENDING', stream, group.name, first[1][1], first[cut][1], cut) end
  end
  redis.call('XTRIM', stream, 'MAXLEN', '=', left - cut)
  -- Since the last entry that it has read: of what earlier cuts took, the marks may be gone too.
  local since
  for _, group in ipairs(live) do
    if group.unread + group.pending > 0 then since = math.min(since or math.huge, group.delivered[1] > 0 and group.delivered[1] or math.huge) end
  end
  if since and #ARGV > 4 then
    local from, to = parse(first[1][1])[1], parse(first[cut][1])[1]
    redis.call('XADD', stream, '*', 'v', '1', 'id', 'trimmed/' .. first[1][1] .. '/' .. first[cut][1], 'at', string.format('%.0f', now),
      'from', string.format('%.0f', math.min(since, from)), 'to', string.format('%.0f', to), 'entries', cut, unpack(ARGV, 5))
  end
  if excess > cut or short then more = 1 end
else
  cut = 0
end

local losses = {}
for _, group in ipairs(live) do
  if group.unread + group.pending > 0 then
    for _, value in ipairs({ group.name, group.unread, group.pending }) do losses[#losses + 1] = value end
  end
end
return { behind, cut, more, aged, losses, short and 1 or 0 }
