-- What it takes to look at sessions and to answer with them. Only reads.

-- @include record

local function due_text(due) return due == math.huge and '+inf' or string.format('%d', due) end

-- What model/record.ts turns into a session: packed record, due, last activity, traffic.
local function live_reply(session, due, traffic)
  return { 'live', session.packed, due_text(due), string.format('%d', last_activity(session, due, traffic)), cmsgpack.pack(traffic) }
end
