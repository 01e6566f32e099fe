-- The outbox. Whoever reads it has it trimmed behind the slowest reader (`trimStream` of event-streams); the bound is for when nobody does.
-- It is looked at where the length is known anyway: saying MAXLEN with every entry costs 0.4 us. 500 entries at a time, as long as it is too
-- long: 20 us, 0.7 ms where each is as large as they come. `length` is that before the script, so that a script which writes many trims once.
local function append_event(length, id, kind, ...)
  if length >= EVENTS_BOUND then redis.call('XTRIM', EVENTS, 'MAXLEN', '~', length - 500) end
  redis.call('XADD', EVENTS, '*', 'v', '1', 'id', id, 'type', kind, 'tenant', TENANT, 'at', now_text, ...)
end
