-- Totals that have no live session to go to, on top of `merge-traffic.lua`. Events of a session come in any order: what overtook its start is kept
-- for its attempt, or for none in particular, until that start takes it along. An attempt that a later one has overtaken leaves the same key
-- behind, with `started`: its start is written down already, and what is still reported of it is known by that.

local EARLY_MS = '60000' -- as long as a start may be on its way

local function early_key(id, attempt) return key('early:', id) .. ':' .. attempt end

local function read_early(of)
  local flat, early = redis.call('HGETALL', of), {}
  for i = 1, #flat, 2 do early[flat[i]] = flat[i + 1] end
  return early
end

-- Keeps for a start that may come what was said; `kept` is what was read under the same key.
local function keep_early(of, kept, said)
  local changed = merge_traffic(kept, said)
  if #changed == 0 then return end
  redis.call('HSET', of, unpack(changed))
  redis.call('PEXPIRE', of, EARLY_MS)
end
