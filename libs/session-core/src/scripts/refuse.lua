#!lua
-- Writes down a refusal that a server decided by itself.
--
--   ARGV[2] event id   ARGV[3] sessionId   ARGV[4] user   ARGV[5] rule   ARGV[6] decision
--   ARGV[7...] pairs of fact and value: sourceIp, sourcePort, destination, protocol
--
-- Reply: 1

-- @include refusals
append_refusal(ARGV[2], ARGV[3], ARGV[4], '[]', 'rule', ARGV[5], 'decision', ARGV[6], unpack(ARGV, 7))
return 1
