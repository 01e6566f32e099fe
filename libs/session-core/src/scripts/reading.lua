-- What it takes to look at sessions; included by every verb but the common admission. Only reads.

-- @include key

-- A session as the scripts handle it: its list, whether it is live, its start, and the facts as they came.
local function unpack_session(packed)
  if not packed then return nil end
  local offset, list = cmsgpack.unpack_one(packed, 6)
  return { list = list, live = list[STATE] == RESERVED or list[STATE] == ACTIVE, packed = packed,
    started = struct.unpack(START, packed), facts = offset < 0 and '' or string.sub(packed, offset + 1) }
end

local function read_session(id) return unpack_session(redis.call('GET', key('session:', id))) end

-- Where the runs are noted that a node has without ever having beaten.
local function noted_runs(node) return key('node_runs:', node) end

-- Whether it may be the session of this user: '' is any user's, and so is a session that has none yet.
local function is_of(session, user)
  local owner = session.list[USER]
  return user == '' or owner == '' or owner == user
end

-- Whether a handover is asked for the session of another user; one that has its new user already is a repeated handover.
local function is_foreign(session, user, new_user)
  return session and not is_of(session, user) and session.list[USER] ~= new_user
end

local function due_text(due) return due == math.huge and '+inf' or string.format('%d', due) end

local function due_of(id) return tonumber(redis.call('ZSCORE', DEADLINES, id) or math.huge) end

local function read_traffic(id)
  local flat, traffic = redis.call('HGETALL', key('traffic:', id)), {}
  for i = 1, #flat, 2 do traffic[flat[i]] = flat[i + 1] end
  return traffic
end

-- The last activity is told by the deadline where idle time sets it, else by the traffic hash, else it is the start.
local function last_activity(session, due, traffic)
  local last, idle = math.max(session.started, tonumber(traffic.at or 0)), session.list[IDLE]
  if session.list[STATE] == ACTIVE and idle > 0 and due < math.huge then last = math.max(last, math.min(due - idle, now)) end
  return last
end

-- What model/record.ts turns into a session: packed record, due, last activity, traffic.
local function live_reply(session, due, traffic)
  return { 'live', session.packed, due_text(due), string.format('%d', last_activity(session, due, traffic)), cmsgpack.pack(traffic) }
end
