-- For the verbs that meet an older run of a node that still speaks: two processes have one name. On top of `key.lua`.

local CONTESTED, WARN_EVERY_MS = PREFIX .. 'contested', 60000

-- Notes it. Returns 1 if it is to be warned of, which is once a minute for a node.
local function contest(node)
  local node_key = key('node:', node)
  local warned_at = tonumber(redis.call('HGET', node_key, 'warned_at') or 0)
  redis.call('ZCARD', CONTESTED)
  local warn = warned_at > now or now - warned_at >= WARN_EVERY_MS
  if warn then redis.call('HSET', node_key, 'warned_at', now_text) end
  redis.call('ZADD', CONTESTED, now_text, node)
  return warn and '1' or '0'
end
