-- For the verbs that take names of users where no limits are asked for, and the one that gives limits: the books of a shard are kept by the rules
-- that `rules` says, if it says any. Who reads names by other ones, a process that slept while they changed, must not write them here.
local function fenced()
  local rules = redis.call('GET', PREFIX .. 'rules')
  if not rules or rules == '1' .. CALLERS_MARK then return nil end
  return redis.error_reply('RULES the books of this tenant are kept by other identity rules, or in another format, than this process knows: ' .. rules)
end
