#!lua
-- A part of a node's list has come. Asked twice for each: whether it is taken, and when the shards have taken what it says.
-- One list of a node is followed at a time, the one with the newest mark.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] mark (ms)   ARGV[5] part, from 1   ARGV[6] parts
--   ARGV[7] sessions in it       ARGV[8] 1: the node says that it holds none at all
--   ARGV[9] who asks             ARGV[10] 1: the shards have taken it
--
-- Reply, by its first word:
--   open                      the shards may take it
--   part                      it has come; others have not, or another caller is working on the complete list
--   complete                  all have come: this caller compares them
--   empty                     all have come without a session, and the node does not say that it holds none: that is no evidence, and leaves nothing
--   done                      that was done before: adopted, restored, dropped, elsewhere, fuse ('' if none)
--   stale-epoch [epoch]       not the present run of the node, or that is lost   stale-mark

-- @include key
local LIFE_MS, LEASE_MS = '600000', 5000
local mark, first = tonumber(ARGV[4]), ARGV[10] ~= '1'
local snapshot = key('snapshot:', ARGV[2])
local run = redis.call('HMGET', key('node:', ARGV[2]), 'epoch', 'state', 'snapshot_mark')
if run[1] ~= ARGV[3] or run[2] ~= 'live' then return { 'stale-epoch', run[1] or nil } end
local known = redis.call('HMGET', snapshot, 'epoch', 'mark', 'parts', 'arrived', 'some', 'none', 'state', 'worker', 'worker_until', 'tell')
local same = known[1] == ARGV[3] and known[2] == ARGV[4]
if same and known[7] == 'done' then
  return { 'done', unpack(redis.call('HMGET', snapshot, 'adopted', 'restored', 'dropped', 'elsewhere', 'suspended')) }
end
-- A last mark that is to come is of a clock that has stepped back since.
local last = tonumber(run[3] or 0)
if mark > now or last <= now and mark <= last then return { 'stale-mark' } end
local newer = not same and known[1] == ARGV[3] and tonumber(known[2]) > mark and tonumber(known[2]) <= now
if newer then return { first and 'open' or 'part' } end

local part = 'part:' .. ARGV[5]
local new = redis.call('HEXISTS', snapshot, part) == 0
local begins = not same or known[3] ~= ARGV[6]
if begins then known, new = { [10] = known[10] }, true end
local arrived = tonumber(known[4] or 0) + (new and 1 or 0)
local some = (known[5] == '1' or ARGV[7] ~= '0') and '1' or '0'
local none = (known[6] == '1' or ARGV[8] == '1') and '1' or '0'
if arrived >= tonumber(ARGV[6]) and some == '0' and none == '0' then return { 'empty' } end
if begins then
  redis.call('DEL', snapshot)
  redis.call('HSET', snapshot, 'epoch', ARGV[3], 'mark', ARGV[4], 'parts', ARGV[6], 'state', 'collecting')
  if known[10] then redis.call('HSET', snapshot, 'tell', known[10]) end
  redis.call('PEXPIRE', snapshot, LIFE_MS)
end
if first then return { 'open' } end

redis.call('HSET', snapshot, part, ARGV[7], 'arrived', arrived, 'some', some, 'none', none)
if arrived < tonumber(ARGV[6]) then return { 'part' } end
if known[8] and known[8] ~= ARGV[9] and now < tonumber(known[9]) then return { 'part' } end
redis.call('HSET', snapshot, 'state', 'comparing', 'worker', ARGV[9], 'worker_until', string.format('%d', now + LEASE_MS))
return { 'complete' }
