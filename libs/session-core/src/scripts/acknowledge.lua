#!lua flags=allow-oom
-- The node has done what a command told it, or found nothing left to do: the command ends. Acknowledging once more changes nothing,
-- and neither does a late word about an earlier session of the same id.
--
--   ARGV[2] node   ARGV[3] sessionId   ARGV[4] attempt   ARGV[5] start of the session (ms)   ARGV[6] tombstone (ms)
--
-- Reply: done (the command ended now) | none (there was none: acknowledged before, ended by its node, or given up)

-- @include reading
-- @include endings
-- @include commands
local node, id, attempt, started, tombstone_ms = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local session_key, session = key('session:', id), read_session(id)
local list, left = session and session.list, redis.call('PTTL', session_key)
local waiting = redis.call('HGET', key('commands:', node), id)
local command = waiting and cjson.decode(waiting)

local dropped = false
if command and command.attempt == attempt and command.startedAt == started then dropped = drop_command(node, id, attempt) end

-- The tombstone was held for this; and what had ended provisionally has now really ended.
if session and not session.live and session.started == started and list[ATTEMPT] == attempt and list[NODE] == node then
  if list[STATE] == PROVISIONAL then
    list[STATE] = ENDED
    redis.call('SET', session_key, pack_tombstone(session), 'PX', tombstone_ms)
  elseif left > tonumber(tombstone_ms) then
    redis.call('PEXPIRE', session_key, tombstone_ms)
  end
end
return dropped and 'done' or 'none'
