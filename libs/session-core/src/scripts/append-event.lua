-- The outbox. It is trimmed where it is found too long: saying MAXLEN with every entry costs 0.4 us.
local function append_event(length, id, kind, ...)
  if length >= EVENTS_BOUND then redis.call('XTRIM', EVENTS, 'MAXLEN', '~', EVENTS_BOUND - 10000) end
  redis.call('XADD', EVENTS, '*', 'v', '1', 'id', id, 'type', kind, 'tenant', TENANT, 'at', now_text, ...)
end
