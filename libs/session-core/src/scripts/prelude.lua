-- Shared by every script of a shard; the wrapper puts this in front of the verb.
--
--   KEYS[1]  deadlines   zset   names the shard: keys that are not passed are derived from its prefix, so all are in its slot
--   KEYS[2]  never              is never there: while the slot moves between masters, Redis refuses a script that lacks a key, so
--                               that none runs on half of the books. Its name ends with the identity rules of the caller
--   ARGV[1]  clock       ms     a test sets the time; empty everywhere else, and Redis says it
--
-- CALLERS_MARK, the caller's identity rules, names the field of `limits` that holds the version. So a caller with other rules finds no limits, for
-- nothing, and whoever wants to give them meets `fence.lua`.
--
-- Rule: a key that is written is read before the first write (or is the first to be written), so that a key of a foreign
-- type stops the script before it has changed anything.
--
-- This runs on every call: a closure costs about 0.1 us and a redis.call 0.25 us on the machine where an admission takes 12,
-- so whatever only some calls need is in parts that they include.

local DEADLINES, PREFIX = KEYS[1], string.sub(KEYS[1], 1, -10)
local TENANT, USERS, EVENTS = string.match(PREFIX, '{(.-)/'), PREFIX .. 'users', PREFIX .. 'events'

-- A record is: the start in six bytes (ms), then two MessagePack values: a list with these positions (model/record.ts has the
-- same), and the facts, which only the events show. Durations are ms, 0 for none.
--
-- The wrapper writes constants into the text: as locals, each would be captured by each closure that uses it, 2 us in all.
-- @const STATE 2
-- @const ATTEMPT 3
-- @const USER 4
-- @const NODE 5
-- @const EPOCH 6
-- @const LONGEST 7
-- @const IDLE 8
-- @const RESERVATION 9
-- @const EMERGENCY 10
-- @const GROUPS 11
-- @const OWNERS 12
-- @const REVOKED 13
-- @const ENDED_AT 14
-- @const REASON 15
-- @const NOTE 16
-- @const LAST_ACTIVITY 17
-- @const TRAFFIC 18
-- @const MOVED_TO 19
-- @const BY 20
-- @const RESERVED 'r'
-- @const ACTIVE 'a'
-- @const ENDED 'e'
-- @const PROVISIONAL 'p'
-- @const WITHDRAWN 'w'
-- @const EVERY_ATTEMPT -2
-- The start of what has ended and was never seen to start.
-- @const NEVER 0
-- @const START '>I6'
-- @const EVENTS_BOUND 8000000
-- @const REJECTIONS_BOUND 600000
-- @const MOST_AHEAD_MS 600000
-- @const CALLERS_MARK string.sub(KEYS[2], #PREFIX + 6)

local now
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
else
  now = tonumber(ARGV[1])
end
local now_text = string.format('%d', now)
