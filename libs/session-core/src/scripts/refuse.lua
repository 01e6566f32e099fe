#!lua
-- Writes down a refusal that a server decided by itself.
--
--   ARGV[2] event id   ARGV[3] sessionId   ARGV[4] user   ARGV[5] rule   ARGV[6] decision
--
-- Reply: 1

redis.call('XADD', PREFIX .. 'rejections', 'MAXLEN', '~', 10000, '*', 'v', '1', 'id', ARGV[2], 'type', 'session.rejected',
  'tenant', TENANT, 'at', now_text, 'sessionId', ARGV[3], 'user', ARGV[4], 'limits', '[]', 'rule', ARGV[5], 'decision', ARGV[6])
return 1
