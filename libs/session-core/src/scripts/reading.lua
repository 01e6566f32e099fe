-- What it takes to look at sessions; included by every verb but the common admission. Only reads.

-- @include key

-- A session as the scripts handle it: its list, whether it is live, its start, and the facts as they came.
local function unpack_session(packed)
  if not packed then return nil end
  local offset, list = cmsgpack.unpack_one(packed, 6)
  return { list = list, live = list[STATE] == RESERVED or list[STATE] == ACTIVE, packed = packed,
    started = struct.unpack(START, packed), facts = offset < 0 and '' or string.sub(packed, offset + 1) }
end

-- A read of a key that may be of a foreign type: then nil. Every other failure stops the script, so that nothing is taken for gone because
-- it could not be read.
local function lenient(...)
  local reply = redis.pcall(...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply) end
  return nil
end

local function is_readable(session)
  local list, state = session.list, session.list[STATE]
  local known = session.live or state == ENDED or state == PROVISIONAL or state == WITHDRAWN
  if list[1] ~= 1 or not known or type(list[ATTEMPT]) ~= 'number' or type(list[REVOKED]) ~= 'table' then return false end
  return not session.live or type(list[USER]) == 'string' and type(list[NODE]) == 'string' and type(list[EPOCH]) == 'number'
    and type(list[LONGEST]) == 'number' and type(list[IDLE]) == 'number' and type(list[RESERVATION]) == 'number'
    and type(list[GROUPS]) == 'table' and type(list[OWNERS]) == 'table'
end

-- What stands under an id, as GET replied it. What a foreign hand or a later release has written is `unreadable`: neither live nor over,
-- and never written over but by an end.
local function read_packed(packed)
  if not packed then return nil end
  if type(packed) == 'string' then
    local unpacked, session = pcall(unpack_session, packed)
    if unpacked and is_readable(session) then return session end
  elseif not string.find(packed.err, 'WRONGTYPE', 1, true) then
    error(packed)
  end
  return { unreadable = true, live = false, started = now, facts = '', list = { 1, WITHDRAWN, -1, '', '', 0, 0, 0, 0, false, {}, {}, {} } }
end

-- nil where nothing is under the id.
local function read_session(id) return read_packed(redis.pcall('GET', key('session:', id))) end

-- Where the runs are noted that a node has without ever having beaten.
local function noted_runs(node) return key('node_runs:', node) end

-- Whether it may be the session of this user: '' is any user's, and so is a session that has none yet.
local function is_of(session, user)
  local owner = session.list[USER]
  return user == '' or owner == '' or owner == user
end

local function due_text(due) return due == math.huge and '+inf' or string.format('%d', due) end

local function due_of(id) return tonumber(redis.call('ZSCORE', DEADLINES, id) or math.huge) end

local foreign_traffic = {} -- ids whose traffic is of a foreign type: it says nothing, and goes with the next write
local function read_traffic(id)
  local flat, traffic = lenient('HGETALL', key('traffic:', id)), {}
  if not flat then flat, foreign_traffic[id] = {}, true end
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
