-- For the verbs of a handover to another shard, in the shard that has the session.

local OFFERS, OFFERS_DUE = PREFIX .. 'offers', PREFIX .. 'offers_due'

-- Whether this is the session that was offered, and it lives.
local function is_offered(session, offer)
  return session and session.live and session.list[ATTEMPT] == offer.attempt
end

-- Stands for what may change while a session is on offer: it may be confirmed, and renewed.
local function seen_of(session, due, traffic)
  local parts = { session.list[STATE], due_text(due) }
  for _, name in ipairs({ 'bytesSent', 'bytesReceived', 'packetsSent', 'packetsReceived', 'channels', 'at' }) do
    parts[#parts + 1] = traffic[name] or ''
  end
  return redis.sha1hex(table.concat(parts, ' '))
end
