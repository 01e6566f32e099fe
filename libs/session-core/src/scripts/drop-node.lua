-- For the verbs after which a node is neither listed nor watched, on top of `key.lua`.

-- Takes away all that the tenant knows of it.
local function drop_node(node)
  local node_key, snapshot, fuse = key('node:', node), key('snapshot:', node), 'snapshot/' .. node
  local sorted = { HEARTBEATS, LOST_NODES, LEFT_NODES, PREFIX .. 'contested' }
  for _, set in ipairs(sorted) do redis.call('ZCARD', set) end
  for _, hash in ipairs({ node_key, LOSING, FUSES, snapshot }) do redis.call('HLEN', hash) end
  redis.call('SCARD', PREFIX .. 'draining')
  for _, set in ipairs(sorted) do redis.call('ZREM', set, node) end
  redis.call('SREM', PREFIX .. 'draining', node)
  redis.call('HDEL', LOSING, node)
  redis.call('HDEL', FUSES, fuse, 'allowed:' .. fuse)
  redis.call('UNLINK', node_key)
  redis.call('UNLINK', snapshot)
end
