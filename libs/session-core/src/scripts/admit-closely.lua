-- The part of `admit.lua` for an id that is known, a run of a node that is over or new, a limit that is full, or an outbox that is too long.
-- Decides what has to end for this admission, or answers.

local MOST_VICTIMS, LOOKED_THROUGH = 64, 64 -- a larger full limit is not searched for due sessions: the sweep suffices
local planned, freed = {}, 0 -- what ends by id; how many of them are this user's
local facts_at, asked = cmsgpack.unpack_one(ARGV[6])
local attempt, token, superseding = asked[ATTEMPT], asked[OWNERS][1], false
touch_shard()
write_event = append_event

local function will_end(session_id, ending, due, reason, note, by_node)
  if planned[session_id] or not ending or not ending.live then return end
  planned[session_id] = true
  if ending.list[USER] == user then freed = freed + 1 end
  ends[#ends + 1] = { plan_end(session_id, ending, due, by_node), reason or due_reason(ending), note or '', by_node }
end

local new_run -- puts a run of the node into force that is seen here for the first time

-- What a departed run held is over, whether or not it has been drained.
local function will_depart(session_id, ending, due)
  local list = ending.list
  if new_run and list[NODE] == ARGV[11] and list[EPOCH] > 0 and list[EPOCH] < tonumber(ARGV[12]) then
    will_end(session_id, ending, due, 'node_restarted', '', true)
    return
  end
  local epoch, lost = departed_run(list)
  if epoch then will_end(session_id, ending, due, lost and 'node_lost' or 'node_restarted', '', true) end
end

apply_ends = function()
  if new_run then new_run() end
  for _, e in ipairs(ends) do apply_end(e[1], length, e[2], e[3], e[4] and e[2] ~= 'node_lost' and ARGV[7] or nil) end
end

-- 1. The id.
if session then
  session = unpack_session(session)
  local list = session.list
  if place_of(list[REVOKED], token) then return { 'withdrawn' } end
  if #list[REVOKED] > 0 then
    asked[REVOKED] = list[REVOKED]
    record = cmsgpack.pack(asked) .. string.sub(ARGV[6], facts_at + 1)
  end
  local due = session.live and due_of(id)
  if list[STATE] == PROVISIONAL then
    superseding = false -- whoever still holds it asks anew, and is judged anew
  elseif not session.live then
    if list[ATTEMPT] == EVERY_ATTEMPT or attempt <= list[ATTEMPT] then -- all up to the one that ended stay refused
      return { 'ended', list[STATE] == ENDED and session.packed or nil }
    end
  elseif due <= now and not is_deferred(session) then
    will_end(id, session, due)
    if attempt <= list[ATTEMPT] then
      if dry then return { 'ended' } end
      apply_ends()
      return { 'ended', session.packed }
    end
  elseif list[USER] ~= user then
    return { 'conflict' }
  elseif attempt < list[ATTEMPT] then
    return { 'ended' }
  elseif attempt == list[ATTEMPT] then
    local traffic = read_traffic(id)
    if not dry then
      add_owner(list, token)
      redis.call('SET', KEYS[3], pack_session(session))
    end
    return { 'repeated', max, held, version, unpack(live_reply(session, due, traffic), 2) }
  else
    -- A call that rang may be tried anew; one that was answered goes on at its node, which has to be told.
    local ringing = list[STATE] == RESERVED
    superseding = true
    will_end(id, session, due, ringing and 'completed' or 'evicted', 'superseded by attempt ' .. string.format('%d', attempt), ringing)
  end
end

-- 2. The node.
if run and run ~= ARGV[12] then
  local epoch, known, _, lost = tonumber(ARGV[12]), known_run(ARGV[11])
  if known > epoch or lost and known == epoch then return { 'stale-epoch', string.format('%d', known) } end
  if known < epoch then
    redis.call('ZCARD', DEPARTED)
    new_run = function() replace_run(ARGV[11], epoch, 0, known) end
  end
end

-- 3. The limits. (Total, group and rate limits are read and judged here as well when they come.)
active = held - freed
if bounded and active >= max and asked[EMERGENCY] then
  overshoot = 'emergency'
elseif bounded and active >= max then
  overshoot = 'lowered_limit'
  if held <= LOOKED_THROUGH then
    local ids = redis.call('ZRANGE', user_sessions, 0, -1)
    local dues = redis.call('ZMSCORE', DEADLINES, unpack(ids))
    local departing = new_run or redis.call('ZCARD', DEPARTED) > 0
    for i, live_id in ipairs(ids) do
      local due = tonumber(dues[i] or math.huge)
      local live = (due <= now or departing) and read_session(live_id)
      if live and due <= now and not is_deferred(live) then
        will_end(live_id, live, due)
      elseif live and departing then
        will_depart(live_id, live, due)
      end
    end
    active = held - freed
  end
  local needed = math.min(active - max + 1, MOST_VICTIMS)
  if needed > 0 and limits[3] == 'terminate_oldest' then
    local found = {}
    for _, old_id in ipairs(redis.call('ZRANGE', user_sessions, 0, needed + #ends + LOOKED_THROUGH)) do
      local old = #found < needed and not planned[old_id] and read_session(old_id)
      if old and old.live and not old.list[EMERGENCY] then found[#found + 1] = { old_id, old } end
    end
    if #found == needed then
      for _, victim in ipairs(found) do will_end(victim[1], victim[2], nil, 'evicted', 'for ' .. id) end
      victims = needed
    end
  end
  if needed > 0 and victims == 0 then
    -- A refused attempt changes nothing: an older attempt that lives keeps its place; only what is due goes.
    if superseding then
      table.remove(ends, 1)
      active = active + 1
    end
    if dry then return { 'rejected', max, active, version } end
    redis.call('XLEN', PREFIX .. 'rejections')
    apply_ends()
    redis.call('XADD', PREFIX .. 'rejections', 'MAXLEN', '~', 10000, '*', 'v', '1',
      'id', id .. '/' .. string.format('%d', attempt) .. '/rejected', 'type', 'session.rejected', 'tenant', TENANT, 'at', now_text,
      'sessionId', id, 'user', user, 'limits', cjson.encode({ { scope = 'user', key = user, max = max, active = active } }))
    return { 'rejected', max, active, version }
  end
end
