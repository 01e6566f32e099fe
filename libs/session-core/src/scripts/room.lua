-- Room for one more session of a user, for the verbs that take a place; on top of `endings.lua` and `runs.lua`.
--
-- It reads of the verb: id, user, user_sessions, limits, max, bounded, held, version, length, ends; and sets: active, victims, overshoot.

local MOST_VICTIMS, LOOKED_THROUGH = 64, 64 -- a larger full limit is not searched for due sessions: the sweep suffices
local planned, freed = {}, 0 -- what ends by id; how many of them are this user's
local new_run -- a run of a node that is seen here for the first time: node, epoch, the epoch known until now

local function will_end(session_id, ending, due, reason, note, by_node)
  if planned[session_id] or not ending or not ending.live then return end
  planned[session_id] = true
  if ending.list[USER] == user then freed = freed + 1 end
  ends[#ends + 1] = { plan_end(session_id, ending, due, by_node), reason or due_reason(ending), note or '', by_node }
end

-- What a departed run held is over, whether or not it has been drained.
local function will_depart(session_id, ending, due)
  local list = ending.list
  if new_run and list[NODE] == new_run[1] and list[EPOCH] > 0 and list[EPOCH] < new_run[2] then
    will_end(session_id, ending, due, 'node_restarted', '', true)
    return
  end
  local epoch, lost = departed_run(list)
  if epoch then will_end(session_id, ending, due, lost and 'node_lost' or 'node_restarted', '', true) end
end

-- A run of a node that is over: the epoch of the present one. One that is new comes into force with the first write.
local function stale_run(node, epoch)
  local known, _, lost = known_run(node)
  if not known or known == epoch and not lost then return nil end
  if known >= epoch then return string.format('%d', known) end
  redis.call('ZCARD', DEPARTED)
  new_run = { node, epoch, known }
end

local function apply_planned(tombstone_ms)
  if new_run then replace_run(new_run[1], new_run[2], 0, new_run[3]) end
  for _, e in ipairs(ends) do apply_end(e[1], length, e[2], e[3], e[4] and e[2] ~= 'node_lost' and tombstone_ms or nil) end
end

-- Plans what has to end so that there is room. Returns how many places are still missing then; 0: there is room.
local function make_room(emergency)
  active = held - freed
  if not bounded or active < max then return 0 end
  overshoot = emergency and 'emergency' or 'lowered_limit'
  if emergency then return 0 end
  if held <= LOOKED_THROUGH then
    local ids = redis.call('ZRANGE', user_sessions, 0, -1)
    local dues = redis.call('ZMSCORE', DEADLINES, unpack(ids))
    local departing = new_run or redis.call('ZCARD', DEPARTED) > 0
    for i, live_id in ipairs(ids) do
      local due = tonumber(dues[i] or math.huge)
      local live = (due <= now or departing) and read_session(live_id)
      if live and due <= now and not is_deferred(live, due) then
        will_end(live_id, live, due)
      elseif live and departing then
        will_depart(live_id, live, due)
      end
    end
    active = held - freed
  end
  local needed = math.min(active - max + 1, MOST_VICTIMS)
  if needed <= 0 or limits[3] ~= 'terminate_oldest' then return math.max(needed, 0) end
  local found = {}
  for _, old_id in ipairs(redis.call('ZRANGE', user_sessions, 0, needed + #ends + LOOKED_THROUGH)) do
    local old = #found < needed and not planned[old_id] and read_session(old_id)
    if old and old.live and not old.list[EMERGENCY] then found[#found + 1] = { old_id, old } end
  end
  if #found < needed then return needed end
  for _, victim in ipairs(found) do will_end(victim[1], victim[2], nil, 'evicted', 'for ' .. id) end
  victims = needed
  return 0
end

-- The user has no place left: what is due goes all the same.
local function refuse(attempt, tombstone_ms)
  redis.call('XLEN', PREFIX .. 'rejections')
  apply_planned(tombstone_ms)
  redis.call('XADD', PREFIX .. 'rejections', 'MAXLEN', '~', 10000, '*', 'v', '1',
    'id', id .. '/' .. string.format('%d', attempt) .. '/rejected', 'type', 'session.rejected', 'tenant', TENANT, 'at', now_text,
    'sessionId', id, 'user', user, 'limits', cjson.encode({ { scope = 'user', key = user, max = max, active = active } }))
  return { 'rejected', max, active, version }
end

-- Those that made room, as the reply names them.
local function victims_reply(reply)
  for i = #ends - victims + 1, #ends do
    local plan = ends[i][1]
    reply[#reply + 1] = { plan.id, plan.session.list[NODE], string.format('%d', plan.session.started) }
  end
  return reply
end
