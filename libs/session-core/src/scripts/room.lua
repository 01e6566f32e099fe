-- Room for one more session in every limit that it is under, for the verbs that take a place; on top of `endings.lua` and `runs.lua`.
--
-- It reads of the verb: id, user, version, length, ends; and sets: victims, overshoot, observed.
-- Terms: a limit is *full* if it has no room for this session; *entitled* to a limit's reserve is a session of the group that it is kept for.

local LOOKED_THROUGH = 64 -- a larger full limit is not searched for due sessions: the sweep suffices
local planned, checked = {}, {} -- what ends by id; the limits of this decision
local new_run -- a run of a node that is seen here for the first time: node, epoch, the epoch known until now

local function is_in_group(list, group)
  for _, name in ipairs(list[GROUPS]) do
    if name == group then return true end
  end
  return false
end

local function is_under(list, limit)
  if limit.scope == 'user' then return list[USER] == limit.key end
  return limit.scope == 'total' or is_in_group(list, limit.key)
end

-- @include limits-in-force
-- @include strays

-- Adds a limit to those of this decision. `groups` are those of the session that asks.
local function check_limit(scope, name, set, held, max, action, details, groups)
  local limit = { scope = scope, key = name, set = set, held = held, max = max, action = action, observe = details.observe, ending = 0 }
  if details.reserve and not is_in_group({ [GROUPS] = groups }, details.reserve.group) then limit.reserve, limit.ending_reserved = details.reserve, 0 end
  checked[#checked + 1] = limit
  return limit
end

local function count_ending(list, by)
  for _, limit in ipairs(checked) do
    if is_under(list, limit) then
      limit.ending = limit.ending + by
      if limit.reserve and is_in_group(list, limit.reserve.group) then limit.ending_reserved = limit.ending_reserved + by end
    end
  end
end

local function will_end(session_id, ending, due, reason, note, by_node)
  if planned[session_id] or not ending or not ending.live then return end
  planned[session_id] = true
  count_ending(ending.list, 1)
  ends[#ends + 1] = { plan_end(session_id, ending, due, by_node), reason or due_reason(ending), note or '', by_node }
end

-- A stray that a full limit counts ends in this step. The sets of this decision name it, beyond what a bounded search finds.
local SETS = { user = 'users', group = 'groups' }
local function will_end_stray(home, kind)
  planned[home.id] = true
  for _, limit in ipairs(checked) do
    local score = redis.call('ZSCORE', limit.set, home.id)
    if score then
      limit.ending = limit.ending + 1
      if SETS[limit.scope] then found_in(home, SETS[limit.scope], limit.key, tonumber(score)) end
      local entitled = limit.reserve and PREFIX .. 'group_sessions:' .. limit.reserve.key
      if entitled and redis.call('ZSCORE', entitled, home.id) then limit.ending_reserved = limit.ending_reserved + 1 end
    end
  end
  ends[#ends + 1] = { plan_stray(home, kind), stray = true }
end

-- What a departed run held is over, whether or not it has been drained.
local function will_depart(session_id, ending, due)
  local list = ending.list
  if new_run and list[NODE] == new_run[1] and list[EPOCH] > 0 and list[EPOCH] < new_run[2] then
    will_end(session_id, ending, due, 'node_restarted', '', true)
    return
  end
  local reason, note = departed_run(list)
  if reason then will_end(session_id, ending, due, reason, note, true) end
end

-- Why nothing may come onto the books of this run, as a reply: it is over, or would begin ahead of time; nil if it may, as any run of a name
-- that never beat. A new run of one that has comes into force with the first write. `begun`: it was judged in another shard, and may be ahead of the clock here.
local function refuse_run(node, epoch, begun)
  local known, _, lost = known_run(node)
  if not known or known == epoch and not lost then return nil end
  if known >= epoch then return { 'stale-epoch', run_text(known) } end
  if epoch > now + MOST_AHEAD_MS and not begun then return { 'future-epoch', run_text(epoch), now_text } end
  new_run = { node, epoch, plan_run(node, epoch, known) }
end

-- Whether a session that another node has may not go to this one, because that takes no new sessions.
local function is_kept_out(node, list)
  return node ~= list[NODE] and not list[EMERGENCY] and redis.call('SISMEMBER', PREFIX .. 'draining', node) == 1
end

local function apply_planned(tombstone_ms)
  if new_run then replace_run(new_run[1], new_run[2], 0, new_run[3], true) end
  for _, e in ipairs(ends) do
    if e.stray then
      reconcile(e[1], length)
    else
      apply_end(e[1], length, e[2], e[3], e[4] and e[2] ~= 'node_lost' and tombstone_ms or nil)
    end
  end
end

-- The places of a limit that nobody has taken and that are kept for the sessions of another group.
local function kept_free(limit)
  local reserve = limit.reserve
  if not reserve then return 0 end
  local entitled = PREFIX .. 'group_sessions:' .. reserve.key
  limit.reserved_held = limit.reserved_held or (limit.scope == 'total' and redis.call('ZCARD', entitled)
    or redis.call('ZINTERCARD', 2, limit.set, entitled, 'LIMIT', reserve.places + (#checked + 2) * LOOKED_THROUGH)) -- as many may end
  return math.max(0, reserve.places - limit.reserved_held + limit.ending_reserved)
end

-- How many sessions have to end under a limit so that one more has room; 0 or below: it has.
local function missing_places(limit)
  if limit.max <= 0 then return 0 end
  return limit.held - limit.ending + kept_free(limit) - limit.max + 1
end

-- Ends what a full limit counts although its record is gone. One command tells whether there is any.
local function end_strays(ids)
  local records, strays = {}, {}
  for i, live_id in ipairs(ids) do records[i] = key('session:', live_id) end
  if redis.call('EXISTS', unpack(records)) == #ids then return end
  for i, live_id in ipairs(ids) do
    if not planned[live_id] and redis.call('EXISTS', records[i]) == 0 then strays[#strays + 1] = live_id end
  end
  for _, home in ipairs((homes_of(strays))) do will_end_stray(home, 'gone') end
end

local function end_due(limit)
  if limit.held > LOOKED_THROUGH or limit.held == 0 then return end
  local ids = redis.call('ZRANGE', limit.set, 0, -1)
  local dues = redis.call('ZMSCORE', DEADLINES, unpack(ids))
  local departing = new_run or redis.call('ZCARD', DEPARTED) > 0
  for i, live_id in ipairs(ids) do
    local due = tonumber(dues[i] or math.huge)
    local live = (due <= now or departing) and read_session(live_id)
    if live and live.unreadable then
      if due <= now and not planned[live_id] then will_end_stray(homes_of({ live_id })[1], 'unreadable') end
    elseif live and due <= now and not is_deferred(live, due) then
      will_end(live_id, live, due)
    elseif live and departing then
      will_depart(live_id, live, due)
    end
  end
  end_strays(ids)
end

-- A limit as answers and events show it; its action is for the events.
local function shown(limit)
  local free = kept_free(limit)
  return { scope = limit.scope, key = limit.key, max = limit.max, active = limit.held - limit.ending,
    action = limit.action or 'reject', reserved = free > 0 and free or nil }
end

-- Still above its maximum after this decision, by one that passes every limit, or because the limit was lowered far below its use.
local function is_overshot()
  for _, limit in ipairs(checked) do
    if not limit.observe and limit.max > 0 and limit.held - limit.ending + 1 > limit.max then return true end
  end
  return false
end

-- Plans what has to end so that there is room. Returns the limits that are full all the same, as they are shown; nil: there is room.
-- `passes`: why no limit stops this session, false if they do. `rates_full`: the rates that have no room.
local function make_room(passes, rates_full)
  local full, shown_full, measured, refused = {}, {}, {}, false
  if passes then
    for _, limit in ipairs(checked) do
      if limit.observe and missing_places(limit) > 0 then measured[#measured + 1] = shown(limit) end
    end
    if #measured > 0 then observed = cjson.encode(measured) end
    overshoot = is_overshot() and passes or nil
    return nil
  end
  for _, limit in ipairs(checked) do
    if missing_places(limit) > 0 then end_due(limit) end
  end
  for _, limit in ipairs(checked) do
    if missing_places(limit) > 0 then
      if limit.observe then
        measured[#measured + 1] = shown(limit)
      else
        full[#full + 1], shown_full[#shown_full + 1] = limit, shown(limit)
        refused = refused or limit.action ~= 'terminate_oldest'
      end
    end
  end
  for _, rate in ipairs(rates_full or {}) do
    if rate.observed then measured[#measured + 1] = rate else shown_full[#shown_full + 1], refused = rate, true end
  end
  if #measured > 0 then observed = cjson.encode(measured) end
  if #shown_full == 0 then return nil end
  if refused then return shown_full end
-- @include victims
  local chosen = choose_victims(full)
  if not chosen then return shown_full end
  for _, victim in ipairs(chosen) do will_end(victim.id, victim.session, nil, 'evicted', 'for ' .. id) end
  victims = #chosen
  overshoot = is_overshot() and 'lowered_limit' or nil
  return nil
end

-- There is no room: what is due goes all the same. The record is that of the session that asks, without its start.
local function refuse(attempt, tombstone_ms, full, record)
-- @include plan-refusal
  local limits_json = cjson.encode(full)
  local write = plan_refusal(id, string.format('%d', attempt), user, full[1], limits_json, record)
  apply_planned(tombstone_ms)
  write()
  return { 'rejected', version, limits_json }
end

-- Those that made room, as the reply names them.
local function victims_reply(reply)
  for i = #ends - victims + 1, #ends do
    local plan = ends[i][1]
    reply[#reply + 1] = { plan.id, plan.session.list[NODE], string.format('%d', plan.session.started) }
  end
  return reply
end
