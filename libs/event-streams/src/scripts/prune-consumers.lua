-- Removes consumers of a group that have nothing pending and have been silent for a while, so that restarts do not pile up names.
-- A consumer with pending entries stays: removing it would lose them. In one script, because a consumer may read between the
-- look and the removal.
--
--   KEYS[1] stream
--   ARGV[1] group
--   ARGV[2] idleMs     how long silent; 0 with a name removes that one alone
--   ARGV[3] name       '' for all
--
-- Reply: how many were removed, at most 1,000 in one call.
local idle, removed = tonumber(ARGV[2]), 0
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #row, 2 do consumer[row[i]] = row[i + 1] end
  local named = ARGV[3] == '' or ARGV[3] == consumer.name
  if named and consumer.pending == 0 and consumer.idle >= idle and removed < 1000 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    removed = removed + 1
  end
end
return removed
