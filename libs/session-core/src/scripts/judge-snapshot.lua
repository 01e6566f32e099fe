#!lua flags=allow-oom
-- Whether what a complete list would end and hang up may be: the fuse stops it when that is more than so many, and more than a share.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] mark (ms)   ARGV[5] would end   ARGV[6] held   ARGV[7] would hang up   ARGV[8] listed
--   ARGV[9] fuse: share            ARGV[10] fuse: sessions     ARGV[11] who works on it
--
-- Reply: go | suspended, 1 if the outbox has to be told, since (ms) | gone (a newer list or run has come, or another caller works on this one)

-- @include key
-- @include fuses
local node, snapshot = ARGV[2], key('snapshot:', ARGV[2])
local ends, held, hang_ups, listed = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local share, least = tonumber(ARGV[9]), tonumber(ARGV[10])
local run = redis.call('HMGET', key('node:', node), 'epoch', 'state')
local known = redis.call('HMGET', snapshot, 'mark', 'tell', 'worker')
if run[1] ~= ARGV[3] or run[2] ~= 'live' or known[1] ~= ARGV[4] or known[3] ~= ARGV[11] then return { 'gone' } end
redis.call('HLEN', FUSES)
local fuse = 'snapshot/' .. node
local function too_many(count, of) return count > least and count > share * of end
if not too_many(ends, held) and not too_many(hang_ups, listed) then
  mend_fuse(fuse)
  return { 'go' }
end
local details = { kind = 'snapshot', node = node, epoch = tonumber(ARGV[3]), wouldEnd = ends, wouldHangUp = hang_ups, held = held }
local allowed, just_now = trip_fuse(fuse, details)
if allowed then return { 'go' } end
if just_now then redis.call('HSET', snapshot, 'tell', '1') end
return { 'suspended', (just_now or known[2]) and '1' or '0', string.format('%d', details.since) }
