#!lua flags=allow-oom
-- An operator forgets a node: nothing is known of it any more, until it beats again as if for the first time.
--
--   ARGV[2] node
--
-- Reply: 1 it is forgotten, 0 nothing was known

-- @include key
-- @include drop-node
local was = redis.call('HEXISTS', key('node:', ARGV[2]), 'epoch')
drop_node(ARGV[2])
return was
