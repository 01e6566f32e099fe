#!lua
-- Looks for live sessions of a run that its complete list lacks, a bounded batch. What began before the mark and is not listed is missing
-- from now on, if it was not before.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] mark (ms)   ARGV[5] cursor, '0' to begin   ARGV[6] batch
--   ARGV[7] 1: those of the node that are not watched instead
--
-- Reply: compared, next cursor ('0': done), sessions looked at, sessions of both kinds | gone (the list is no longer here)

-- @include key
-- @include staging
local MISSING_MS = '86400000' -- longer than any interval between two snapshots
if not is_listed_here() then return { 'gone' } end
local page = redis.call('SSCAN', ARGV[7] == '1' and UNWATCHED or RUN, ARGV[5], 'COUNT', ARGV[6])
local cursor, ids, lacking, held = page[1], page[2], {}, redis.call('SCARD', RUN) + redis.call('SCARD', UNWATCHED)
redis.call('ZCARD', MISSING)
local listed = #ids > 0 and redis.call('SMISMEMBER', LISTED, unpack(ids)) or {}
for i, id in ipairs(ids) do
  local started = listed[i] == 0 and start_of(id)
  if started and started < mark then
    local since = tonumber(redis.call('ZSCORE', MISSING, id) or 0)
    -- An earlier one is of an earlier session with the same id, or of a clock that has stepped back.
    if since <= started or since > now then
      lacking[#lacking + 1] = now_text
      lacking[#lacking + 1] = id
    end
  end
end
if #lacking > 0 then
  redis.call('ZADD', MISSING, unpack(lacking))
  redis.call('PEXPIRE', MISSING, MISSING_MS)
end
return { 'compared', cursor, #ids, held }
