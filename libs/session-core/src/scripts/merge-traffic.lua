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
