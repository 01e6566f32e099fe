-- For the passes that end many at once. A fuse that has tripped stays so until a pass finds nothing wrong, or an operator lets it through.

-- Whether a pass that trips this fuse may go on because an operator has overruled it; else what tripped it is written down.
-- Returns allowed, and whether it has tripped just now.
local function trip_fuse(fuse, details)
  local allowed_until, since = redis.call('HGET', FUSES, 'allowed:' .. fuse), redis.call('HGET', FUSES, fuse)
  if allowed_until and now < tonumber(allowed_until) then return true, false end
  details.since = since and cjson.decode(since).since or now
  redis.call('HSET', FUSES, fuse, cjson.encode(details))
  return false, not since
end

local function mend_fuse(fuse) redis.call('HDEL', FUSES, fuse, 'allowed:' .. fuse) end
