-- The part of `admit.lua` for an id that is known, a run of a node that is over or new, a node that drains, a limit that is full or has details, a rate without
-- room, or an outbox that is too long. Decides what has to end for this admission, or answers.

if run and ARGV[12] == '0' then return { 'join', string.match(run, '^%d+') } end
-- @include merge-traffic
-- @include early
-- @include late
local facts_at, asked = cmsgpack.unpack_one(ARGV[6])
local attempt, token, superseding = asked[ATTEMPT], asked[OWNERS][1], nil
write_event = append_event
apply_ends = function() apply_planned(ARGV[7]) end

-- 1. The limits, as far as they have to be known for whatever is counted from here on.
local actions = { 'action', 'total_action' }
for i = 15, #ARGV, 3 do actions[#actions + 1] = 'kind_action:' .. string.match(ARGV[i], '^[^:]*') end
actions = redis.call('HMGET', PREFIX .. 'limits', unpack(actions))
local function checked_limit(scope, name, set, count, most, action, names)
  local details = {}
  if not most then most, details = in_force(names) end
  return check_limit(scope, name, set, count, enforced and most or 0, action, details, asked[GROUPS]), most
end
local of_user, of_groups = nil, {}
of_user, max = checked_limit('user', user, user_sessions, held, user == '' and 0 or max, actions[1], { 'user:' .. user, 'class:' .. ARGV[13], 'user' })
for n = 1, #asked[GROUPS] do
  local name = ARGV[12 + 3 * n]
  of_groups[n], group_max[n] = checked_limit('group', asked[GROUPS][n], PREFIX .. 'group_sessions:' .. name, group_held[n], group_max[n],
    actions[2 + n], { 'group:' .. name, 'kind:' .. string.match(name, '^[^:]*') })
end
local of_total
of_total, total_max = checked_limit('total', '*', DEADLINES, total, total_max, actions[2], { 'total' })
local function counts_of()
  local counted = { max, of_user.held - of_user.ending, total_max, of_total.held - of_total.ending }
  for n, limit in ipairs(of_groups) do
    counted[3 + 2 * n], counted[4 + 2 * n] = group_max[n], limit.held - limit.ending
  end
  return counted
end

-- 2. The id.
local overtaken_at, overtaken -- the attempt that this one takes the place of
if session then
-- @include late-start
  session = read_packed(session)
  if session.unreadable then return { 'conflict' } end
  local list = session.list
  if place_of(list[REVOKED], token) then return { 'withdrawn' } end
  if #list[REVOKED] > 0 then
    asked[REVOKED] = list[REVOKED]
    record = cmsgpack.pack(asked) .. string.sub(ARGV[6], facts_at + 1)
  end
  local due = session.live and due_of(id)
  if list[STATE] == PROVISIONAL then -- whoever still holds it asks anew, and is judged anew
    is_draining = is_draining and list[NODE] ~= ARGV[11] -- the node keeps what it holds
  elseif not session.live then
    if list[ATTEMPT] == EVERY_ATTEMPT or attempt <= list[ATTEMPT] then -- all up to the one that ended stay refused
      if not dry and list[STATE] == ENDED then record_late_start() end
      return { 'ended', list[STATE] == ENDED and session.packed or nil }
    end
  elseif due <= now and not is_deferred(session, due) then
    will_end(id, session, due)
    if attempt <= list[ATTEMPT] then
      if dry then return { 'ended' } end
      touch_shard()
      apply_ends()
      return { 'ended', session.packed }
    end
  elseif list[USER] ~= user and (user ~= '' or attempt > list[ATTEMPT]) then -- one that had no user may have authenticated meanwhile
    return { 'conflict' }
  elseif attempt < list[ATTEMPT] then
    if not dry then record_late_start() end
    return { 'ended' }
  elseif attempt == list[ATTEMPT] then
    if departed_run(list) then -- over with its run, whether or not it has been drained
      return run ~= ARGV[12] and refuse_run(ARGV[11], tonumber(ARGV[12])) or { 'ended' }
    end
    local traffic = read_traffic(id)
    if not dry then
      add_owner(list, token)
      redis.call('SET', KEYS[3], pack_session(session))
    end
    return { 'repeated', version, counts_of(), unpack(live_reply(session, due, traffic), 2) }
  else
    -- A call that rang may be tried anew; one that was answered goes on at its node, which has to be told.
    local ringing = list[STATE] == RESERVED
    superseding = list
    will_end(id, session, due, ringing and 'completed' or 'evicted', 'superseded by attempt ' .. string.format('%d', attempt), ringing)
  end
  if list[STATE] ~= WITHDRAWN and attempt > list[ATTEMPT] then
    overtaken, overtaken_at = session, early_key(id, string.format('%d', list[ATTEMPT]))
  end
end

-- 3. The node.
if run and run ~= ARGV[12] then
  local refused = refuse_run(ARGV[11], tonumber(ARGV[12]))
  if refused then return refused end
end
if is_draining and ARGV[4] ~= 'started' and not asked[EMERGENCY] then return { 'node-draining' } end

-- 4. Room.
local adopted = ARGV[4] == 'started' and 'adoption' -- a fact, which no limit can refuse
local full = make_room(adopted or asked[EMERGENCY] and 'emergency', enforced and rates_full or nil)
if full then
  -- A refused attempt changes nothing: an older attempt that lives keeps its place; only what is due goes.
  if superseding then
    table.remove(ends, 1)
    count_ending(superseding, -1)
    for _, limit in ipairs(full) do
      if limit.retryAfterMs == nil and is_under(superseding, limit) then limit.active = limit.active + 1 end
    end
  end
  if dry then return { 'rejected', version, cjson.encode(full) } end
  if #ends > 0 then touch_shard() end
  return refuse(attempt, ARGV[7], full, ARGV[6])
end
if #ends > 0 or new_run then touch_shard() end
active, total = of_user.held - of_user.ending, of_total.held - of_total.ending + #ends -- not every stray was in the total
for n, limit in ipairs(of_groups) do group_held[n] = limit.held - limit.ending end

if adopted or is_overtaken then -- it takes along what overtook it, said of this attempt or of none
  local numbered, unnumbered = early_key(id, string.format('%d', attempt)), early_key(id, '')
  local said, traffic_key = read_early(numbered), key('traffic:', id)
  if said.started then said = {} end -- of an earlier session of this id and attempt
  merge_traffic(said, read_early(unnumbered))
  local totals = {}
  local changed = merge_traffic(totals, said)
  redis.call('HLEN', traffic_key)
  if #changed > 0 then traffic = cmsgpack.pack(totals) end
  take_early = #changed > 0 and function()
    redis.call('DEL', numbered)
    redis.call('DEL', unnumbered)
    redis.call('HSET', traffic_key, unpack(changed))
  end
end
if overtaken then
  local known, take = read_early(overtaken_at), take_early
  take_early = function()
    keep_overtaken(overtaken_at, known, overtaken, ARGV[7])
    if take then take() end
  end
end
