-- For the verbs that let a session go on elsewhere, on top of `endings.lua`.

-- The session goes on elsewhere: what is left of it here says under which id, and with whom. Says so to the outbox as the end of the old
-- id, or where the id stays as something that ends nothing. Returns how many sessions the old user has left.
local function leave(plan, length, to_id, to_user, tombstone_ms)
  local session, list, traffic, left = plan.session, plan.session.list, plan.traffic, nil
  if to_id ~= plan.id then
    -- The totals go along, so the end of the old id has none.
    if next(traffic) then redis.call('DEL', key('traffic:', plan.id)) end
    plan.traffic = {}
    apply_end(plan, length, 'transferred', '', tombstone_ms)
    left = plan.user_key and string.format('%d', counts[plan.user_key]) or '0'
  else
    left = take_off_books(plan)
    list[STATE], list[ENDED_AT], list[REASON], list[NOTE] = ENDED, now, 'transferred', ''
    list[LAST_ACTIVITY], list[TRAFFIC] = plan.last_activity, traffic
    local attempt, started = string.format('%d', list[ATTEMPT]), string.format('%d', session.started)
    append_event(length, plan.id .. '/' .. attempt .. '/moved/' .. started .. '/' .. now_text, 'session.moved', 'sessionId', plan.id,
      'attempt', attempt, 'user', list[USER], 'node', list[NODE], 'startedAt', started, 'toUser', to_user,
      'userActive', left, 'totalActive', string.format('%d', counts[DEADLINES]), unpack(groups_active(list)))
  end
  list[MOVED_TO] = { to_id, to_user }
  redis.call('SET', key('session:', plan.id), pack_tombstone(session), 'PX', tombstone_ms)
  return left
end
