-- Who makes room, for `room.lua`: the smallest set of sessions that frees every full limit, of those the oldest; never an emergency session,
-- nor one that holds a place kept for its group.
--
-- Of each full limit the oldest are looked at, 64 beyond what it needs. A session may be under several full limits (a call of alice's on the
-- western trunk); sessions under the same ones are of one kind, and which number of each kind is taken is searched for: first the widest,
-- then whatever may be better, within bounds. With one place needed of each that is always the smallest; where several limits were
-- lowered far below their use it may be a few more.

local MOST_VICTIMS, MOST_STEPS = 64, 500

local function older(a, b)
  if a.session.started ~= b.session.started then return a.session.started < b.session.started end
  return a.id < b.id
end

-- By start: the deadlines of the total are in another order, so that it has an index of its own where the oldest may have to go.
local function oldest_first(limit) return limit.scope == 'total' and PREFIX .. 'started' or limit.set end

-- Sessions that may go, and the places in `full` of the limits that each would free.
local function candidates(full, needs)
  local found, seen = {}, {}
  for at, limit in ipairs(full) do
    local found_here = 0
    for _, old_id in ipairs(redis.call('ZRANGE', oldest_first(limit), 0, needs[at] + #ends + LOOKED_THROUGH)) do
      if #full == 1 and found_here == needs[1] then break end
      local old = not seen[old_id] and not planned[old_id] and read_session(old_id)
      seen[old_id] = true
      if old and old.live and not old.list[EMERGENCY] then
        local frees = {}
        for i, other in ipairs(full) do
          if is_under(old.list, other) and not (other.reserve and is_in_group(old.list, other.reserve.group)) then frees[#frees + 1] = i end
        end
        if #frees > 0 then found[#found + 1], found_here = { id = old_id, session = old, frees = frees }, found_here + 1 end
      end
    end
  end
  table.sort(found, older)
  return found
end

-- How many of each kind go, so that as few as possible go in all. Every need can be met.
local function fewest(kinds, needs)
  local best, steps = nil, 0
  local function search(taken)
    local widest, most = nil, 0
    for i, need in ipairs(needs) do
      if need > most then widest, most = i, need end
    end
    if most == 0 then
      best = { size = taken }
      for k, kind in ipairs(kinds) do best[k] = kind.taken end
      return
    end
    for _, kind in ipairs(kinds) do
      if best and (taken + most >= best.size or steps >= MOST_STEPS) then return end
      if kind.frees[widest] and kind.taken < #kind then
        if best then steps = steps + 1 end
        kind.taken = kind.taken + 1
        for i in pairs(kind.frees) do needs[i] = needs[i] - 1 end
        search(taken + 1)
        kind.taken = kind.taken - 1
        for i in pairs(kind.frees) do needs[i] = needs[i] + 1 end
      end
    end
  end
  search(0)
  return best
end

-- nil if there are not enough.
local function choose_victims(full)
  local needs, free_by = {}, {}
  for i, limit in ipairs(full) do needs[i], free_by[i] = math.min(missing_places(limit), math.floor(MOST_VICTIMS / #full)), 0 end
  local kinds, known = {}, {}
  for _, candidate in ipairs(candidates(full, needs)) do
    local name = table.concat(candidate.frees, ' ')
    local kind = known[name]
    if not kind then
      kind = { frees = {}, width = #candidate.frees, taken = 0 }
      kinds[#kinds + 1], known[name] = kind, kind
      for _, i in ipairs(candidate.frees) do kind.frees[i] = true end
    end
    kind[#kind + 1] = candidate
    for i in pairs(kind.frees) do free_by[i] = free_by[i] + 1 end
  end
  for i, need in ipairs(needs) do
    if free_by[i] < need then return nil end
  end
  table.sort(kinds, function(a, b) return a.width > b.width or a.width == b.width and older(a[1], b[1]) end)
  local counts, chosen = fewest(kinds, needs), {}
  for k, kind in ipairs(kinds) do
    for i = 1, counts[k] do chosen[#chosen + 1] = kind[i] end
  end
  table.sort(chosen, older)
  return chosen
end
