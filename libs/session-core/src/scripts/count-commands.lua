#!lua
-- Counts the commands that wait for their nodes, a bounded number of nodes a call.
--
--   ARGV[2] position of the first node   ARGV[3] how many nodes
--
-- Reply: commands, nodes counted

-- @include key
-- As `redis.call`; an error of it names the key, which nothing else would: it is not declared.
local function read(command, name, ...)
  local reply = redis.pcall(command, name, ...)
  if type(reply) == 'table' and reply.err then error(reply.err .. ' (' .. name .. ')', 0) end
  return reply
end

local nodes = read('ZRANGE', PREFIX .. 'commanded', ARGV[2], ARGV[2] + ARGV[3] - 1)
local commands = 0
for _, node in ipairs(nodes) do commands = commands + read('HLEN', key('commands:', node)) end
return { commands, #nodes }
