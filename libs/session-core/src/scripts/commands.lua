-- For the verbs that end a command.

-- What the node was to do about this session is done, if the command was for this attempt or an earlier one.
local function drop_command(node, id, through)
  local commands = node ~= '' and key('commands:', node)
  local command = commands and redis.call('HGET', commands, id)
  if not command or cjson.decode(command).attempt > through then return false end
  redis.call('ZCARD', COMMANDED)
  redis.call('HDEL', commands, id)
  if redis.call('HLEN', commands) == 0 then redis.call('ZREM', COMMANDED, node) end
  return true
end
