-- What it takes to look at a session; included by every verb but the common admission. Only reads.

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

-- Raises an error where it is not a session that this build can read. A comparison does so where a field is of another type, for a tenth of
-- what asking for the type costs.
local function unpack_readable(packed)
  local session = unpack_session(packed)
  local list, state = session.list, session.list[STATE]
  local known = session.live or state == ENDED or state == PROVISIONAL or state == WITHDRAWN
  if list[1] ~= 1 or not known or type(list[REVOKED]) ~= 'table' or list[ATTEMPT] < EVERY_ATTEMPT then error() end
  if session.live and (list[USER] < '' or list[NODE] < '' or list[EPOCH] < 0 or list[LONGEST] < 0 or list[IDLE] < 0 or list[RESERVATION] < 0
    or type(list[GROUPS]) ~= 'table' or type(list[OWNERS]) ~= 'table') then error() end
  return session
end

-- What stands under an id, as GET replied it. What a foreign hand or a later release has written is `unreadable`: neither live nor over,
-- and never written over but by an end.
local function read_packed(packed)
  if not packed then return nil end
  if type(packed) == 'string' then
    local is_readable, session = pcall(unpack_readable, packed)
    if is_readable then return session end
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

local function due_of(id) return tonumber(redis.call('ZSCORE', DEADLINES, id) or math.huge) end

local has_foreign_traffic = false -- traffic of a foreign type was met: it says nothing, and goes with the next write
local function read_traffic(id)
  local flat, traffic = lenient('HGETALL', key('traffic:', id)), {}
  if not flat then flat, has_foreign_traffic = {}, true end
  for i = 1, #flat, 2 do traffic[flat[i]] = flat[i + 1] end
  return traffic
end

-- The last activity is told by the deadline where idle time sets it, else by the traffic hash, else it is the start.
local function last_activity(session, due, traffic)
  local last, idle = math.max(session.started, tonumber(traffic.at or 0)), session.list[IDLE]
  if session.list[STATE] == ACTIVE and idle > 0 and due < math.huge then last = math.max(last, math.min(due - idle, now)) end
  return last
end
