-- Totals that have no live session to go to, on top of `reading.lua`. Events of a session come in any order: what overtook its start is kept
-- for its attempt, or for none in particular, until that start takes it along. An attempt that a later one has overtaken leaves the same key
-- behind, with `started`: its start is written down already, and what is still reported of it is known by that.

local EARLY_MS = '60000' -- as long as a start may be on its way

local function early_key(id, attempt) return key('early:', id) .. ':' .. attempt end

local function read_early(of)
  local flat, early = redis.call('HGETALL', of), {}
  for i = 1, #flat, 2 do early[flat[i]] = flat[i + 1] end
  return early
end

-- Merges what was said into `traffic`: totals by maximum, channels by time, so that late and repeated reports change nothing.
-- Returns the fields that changed, as HSET takes them.
local function merge_traffic(traffic, said)
  local changed = {}
  local function change(name, value)
    traffic[name] = value
    changed[#changed + 1] = name
    changed[#changed + 1] = value
  end
  for name, value in pairs(said) do
    if name == 'channels' then
      if tonumber(said.channels_at) >= tonumber(traffic.channels_at or 0) then
        change('channels', value)
        change('channels_at', said.channels_at)
      end
    elseif name ~= 'channels_at' and tonumber(value) > tonumber(traffic[name] or -1) then
      change(name, value)
    end
  end
  return changed
end

-- Keeps for a start that may come what was said; `kept` is what was read under the same key.
local function keep_early(of, kept, said)
  local changed = merge_traffic(kept, said)
  if #changed == 0 then return end
  redis.call('HSET', of, unpack(changed))
  redis.call('PEXPIRE', of, EARLY_MS)
end
