-- For `admit.lua`: the start of an attempt that is over already, because its end came first, or because a later attempt has begun or ended. It is
-- written down all the same, once: its admission and its ending in this step, at one moment, without counts, since it never held a place.

local function record_late_start()
  local list, attempt_text = session.list, string.format('%d', attempt)
  local is_own = not session.live and session.started == NEVER and (list[ATTEMPT] == EVERY_ATTEMPT or list[ATTEMPT] == attempt)
  -- What was known of an earlier attempt is forgotten a tombstone's time after the next one began; then it may have been written down.
  local is_forgotten = session.started ~= NEVER and now >= session.started + tonumber(ARGV[7])
  if not is_own and (list[ATTEMPT] == EVERY_ATTEMPT or attempt == list[ATTEMPT] or is_forgotten) then return end
  local numbered, unnumbered = early_key(id, attempt_text), early_key(id, '')
  local totals = read_early(numbered)
  if totals.started then return end
  local unnumbered_totals = read_early(unnumbered)
  local at, note = now, 'superseded by attempt ' .. string.format('%d', math.max(list[ATTEMPT], 0))
  if is_own then
    merge_traffic(totals, unnumbered_totals)
    merge_traffic(totals, ended_traffic(list))
    at, note = math.min(list[ENDED_AT], now), list[NOTE]
  end
  totals.channels, totals.channels_at = nil, nil
  local at_text = string.format('%d', at)
  if is_own then
    local of = { unpack(asked, 1, REVOKED) }
    of[STATE], of[ATTEMPT], of[OWNERS], of[REVOKED] = ENDED, list[ATTEMPT], {}, list[REVOKED]
    totals.attempt = list[ATTEMPT] == EVERY_ATTEMPT and attempt_text or nil
    of[ENDED_AT], of[REASON], of[NOTE], of[LAST_ACTIVITY], of[TRAFFIC] = at, list[REASON], note, at, totals
    redis.call('SET', KEYS[3], pack_tombstone({ started = at, list = of, facts = '' }), 'KEEPTTL')
    redis.call('DEL', numbered)
    redis.call('DEL', unnumbered)
  else
    keep_overtaken(numbered, totals, { started = at, list = {} }, ARGV[7])
  end
  append_event(length, ARGV[8] .. at_text, ARGV[9], 'session', ARGV[10], 'startedAt', at_text)
  local more = total_fields(totals)
  if note ~= '' then more[#more + 1], more[#more + 2] = 'note', note end
  append_event(length, id .. '/' .. attempt_text .. '/ended/' .. at_text, 'session.ended', 'sessionId', id, 'attempt', attempt_text, 'user', user,
    'node', asked[NODE], 'startedAt', at_text, 'endedAt', at_text, 'reason', 'completed', unpack(more)) -- only its node can have said so
end
