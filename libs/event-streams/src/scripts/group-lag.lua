-- How far a group is behind its stream.
--
--   KEYS[1] stream
--   ARGV[1] group
--
-- Reply {unread, exact, pending, oldest unread, oldest pending, now, known}: entries not yet delivered, 1 when that number is exact, entries
-- pending, the ids of the oldest of each ('' when there is none), the time (ms), and the id up to which
-- the group was given all that is not pending: '' when that is all there is. Empty when there is no such stream or group.
--
-- Redis 7.0 says nothing of the lag after some deletions, and goes on counting what was trimmed unread. So a short lag is counted;
-- a long one is what Redis says, at most the length of the stream, or where it says nothing the length.
local COUNTED = 100

if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local group
for _, row in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local named = {}
  for i = 1, #row, 2 do named[row[i]] = row[i + 1] end
  if named.name == ARGV[1] then group = named end
end
if not group then return {} end

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local unread = redis.call('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+', 'COUNT', COUNTED + 1)
local count, exact = #unread, 1
if count > COUNTED then
  local length, lag = redis.call('XLEN', KEYS[1]), group.lag
  count, exact = length, 0
  if lag then count, exact = math.min(lag, length), 1 end
end
-- Where the stream begins with what is unread, what was before that may have been trimmed unread, and the mark of it may be unread too.
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local known = ''
if unread[1] then known = first[1] == unread[1][1] and group['last-delivered-id'] or unread[1][1] end
local oldest_pending = redis.call('XPENDING', KEYS[1], ARGV[1])[2]
return { count, exact, group.pending, unread[1] and unread[1][1] or '', oldest_pending or '', now, known }
