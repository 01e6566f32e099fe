#!lua
-- Counts the commands that wait for their nodes, a bounded number of nodes a call.
--
--   ARGV[2] position of the first node   ARGV[3] how many nodes
--
-- Reply: commands, nodes counted

-- @include key
local nodes = redis.call('ZRANGE', PREFIX .. 'commanded', ARGV[2], ARGV[2] + ARGV[3] - 1)
local commands = 0
for _, node in ipairs(nodes) do commands = commands + redis.call('HLEN', key('commands:', node)) end
return { commands, #nodes }
