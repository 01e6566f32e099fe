#!lua flags=allow-oom
-- Second step of giving sessions of this shard users of another one: what `arrive.lua` has put on the books there leaves this one.
--
--   ARGV[2] tombstone (ms)   ARGV[3...] for each session, at most 25: id, seen: the session as it arrived there, the user that it has there
--
-- Reply: for each: left | changed (it is not what was seen, and has to arrive anew) | over, record if it is there (it has ended here)

-- @include reading
-- @include endings
-- @include offers
local tombstone_ms = ARGV[2]
-- @include leaving
local length, reply, leaving = touch_shard(), {}, {}
for i = 3, #ARGV, 3 do
  local session = read_session(ARGV[i])
  if not session or not session.live then
    reply[#reply + 1] = { 'over', session and session.packed }
  else
    local plan = plan_end(ARGV[i], session, nil, true)
    if seen_of(session, plan.due, plan.traffic) == ARGV[i + 1] then
      reply[#reply + 1] = { 'left' }
      leaving[#leaving + 1] = { plan, ARGV[i + 2] }
    else
      reply[#reply + 1] = { 'changed' }
    end
  end
end
for _, l in ipairs(leaving) do leave(l[1], length, l[1].id, l[2], tombstone_ms) end
return reply
