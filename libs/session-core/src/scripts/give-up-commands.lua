#!lua flags=allow-oom
-- Gives up commands that their node has not acknowledged for too long. A node that has none left is no longer listed.
--
--   ARGV[2] node   ARGV[3] age (ms) from which on a command is given up   ARGV[4…] sessionIds to look at, at most 100
--
-- Reply: how many were given up

-- @include reading
-- @include endings
local node, oldest = ARGV[2], now - tonumber(ARGV[3])
local commands, given_up = key('commands:', node), {}
redis.call('ZCARD', COMMANDED)
for i = 4, #ARGV do
  local command = redis.call('HGET', commands, ARGV[i])
  local readable, said = pcall(cjson.decode, command or '')
  local at = readable and type(said) == 'table' and tonumber(said.at)
  if command and (not at or at <= oldest) then given_up[#given_up + 1] = ARGV[i] end
end
local held = redis.call('HLEN', commands)
if #given_up > 0 then redis.call('HDEL', commands, unpack(given_up)) end
if held == #given_up then redis.call('ZREM', COMMANDED, node) end
return #given_up
