#!lua flags=allow-oom
-- How many sessions nodes hold in this shard, a bounded batch of nodes: by all their runs, and without being watched.
--
--   ARGV[2...] nodes
--
-- Reply: for each {watched, unwatched}

-- @include reading
-- @include runs
local reply = {}
for i = 2, #ARGV do
  local node_sessions, watched = key('node_sessions:', ARGV[i]) .. ':', 0
  local unwatched = redis.call('SCARD', node_sessions .. '0')
  local known = known_run(ARGV[i])
  if known then watched = redis.call('SCARD', node_sessions .. run_text(known)) end
  for _, epoch in ipairs(redis.call('ZRANGE', noted_runs(ARGV[i]), 0, 99)) do
    local held = tonumber(epoch) ~= known and redis.call('SCARD', node_sessions .. epoch) or 0
    if known then watched = watched + held else unwatched = unwatched + held end
  end
  reply[#reply + 1] = { watched, unwatched }
end
return reply
