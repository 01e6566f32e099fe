-- Shared by every script of a tenant as a whole; the wrapper puts this in front of the verb. The rules are those of `prelude.lua`.
--
--   KEYS[1]  heartbeats   zset   names the tenant: all other keys are derived from its prefix
--   KEYS[2]  never               is never there
--   ARGV[1]  clock        ms     a test sets the time; empty everywhere else, and Redis says it

-- @const MOST_AHEAD_MS 600000

local HEARTBEATS, PREFIX = KEYS[1], string.sub(KEYS[1], 1, -11)
local LOST_NODES, LEFT_NODES, LOSING = PREFIX .. 'lost_nodes', PREFIX .. 'left_nodes', PREFIX .. 'losing'
local WATCH, FUSES = PREFIX .. 'watch', PREFIX .. 'fuses'

local now
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
else
  now = tonumber(ARGV[1])
end
local now_text = string.format('%d', now)
