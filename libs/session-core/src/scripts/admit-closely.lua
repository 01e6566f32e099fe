-- The part of `admit.lua` for an id that is known, a run of a node that is over or new, a limit that is full, or an outbox that is too long.
-- Decides what has to end for this admission, or answers.

local facts_at, asked = cmsgpack.unpack_one(ARGV[6])
local attempt, token, superseding = asked[ATTEMPT], asked[OWNERS][1], false
touch_shard()
write_event = append_event
apply_ends = function() apply_planned(ARGV[7]) end

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
  elseif due <= now and not is_deferred(session, due) then
    will_end(id, session, due)
    if attempt <= list[ATTEMPT] then
      if dry then return { 'ended' } end
      apply_ends()
      return { 'ended', session.packed }
    end
  elseif list[USER] ~= user and (user ~= '' or attempt > list[ATTEMPT]) then -- one that had no user may have authenticated meanwhile
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
  local stale = stale_run(ARGV[11], tonumber(ARGV[12]))
  if stale then return { 'stale-epoch', stale } end
end

-- 3. The limits. (Total, group and rate limits are read and judged here as well when they come.)
local started = ARGV[4] == 'started' -- a fact, which no limit can refuse
local missing_places = make_room(asked[EMERGENCY] or started)
if started and overshoot then overshoot = 'adoption' end
if missing_places > 0 then
  -- A refused attempt changes nothing: an older attempt that lives keeps its place; only what is due goes.
  if superseding then
    table.remove(ends, 1)
    active = active + 1
  end
  if dry then return { 'rejected', max, active, version } end
  return refuse(attempt, ARGV[7])
end
if started then -- it takes along what overtook it, said of this attempt or of none
  local numbered, unnumbered = early_key(id, string.format('%d', attempt)), early_key(id, '')
  local early, traffic_key = read_early(numbered), key('traffic:', id)
  merge_traffic(early, read_early(unnumbered))
  local changed = merge_traffic({}, early)
  redis.call('HLEN', traffic_key)
  take_early = #changed > 0 and function()
    redis.call('DEL', numbered)
    redis.call('DEL', unnumbered)
    redis.call('HSET', traffic_key, unpack(changed))
  end
end
