#!lua flags=allow-oom
-- Whether it has to be known which nodes hold sessions before nodes are judged: one is silent, or the fuse has tripped.
--
--   ARGV[2] silent after (ms)
--
-- Reply: 1, the nodes that beat | 0, none

local MOST_NODES = 20000 -- so many names take about 4 ms; of more the longest silent are looked at
local silent = redis.call('ZCOUNT', HEARTBEATS, '-inf', string.format('%d', now - ARGV[2]))
if silent == 0 and redis.call('HEXISTS', FUSES, 'nodes') == 0 then return { '0', {} } end
return { '1', redis.call('ZRANGE', HEARTBEATS, 0, MOST_NODES - 1) }
