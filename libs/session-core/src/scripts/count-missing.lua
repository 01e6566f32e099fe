#!lua flags=allow-oom
-- Forgets, a bounded batch, what was missing and has ended since or is listed again; then counts, so that a fuse can judge before
-- anything ends.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] mark (ms)   ARGV[5] position of the first to look at   ARGV[6] batch
--
-- Reply: counted, next position ('' when all have been looked at), how many would be dropped, are held, would be hung up, are listed,
-- were adopted, were restored, live elsewhere | gone (the list is no longer here)

-- @include key
-- @include staging
if not is_listed_here() then return { 'gone' } end
local from, batch = tonumber(ARGV[5]), tonumber(ARGV[6])
local missing, ids, forgotten = redis.call('ZRANGE', MISSING, from, from + batch - 1, 'WITHSCORES'), {}, {}
for i = 1, #missing, 2 do ids[#ids + 1] = missing[i] end
if #ids > 0 then
  local watched, unwatched = redis.call('SMISMEMBER', RUN, unpack(ids)), redis.call('SMISMEMBER', UNWATCHED, unpack(ids))
  local listed = redis.call('SMISMEMBER', LISTED, unpack(ids))
  for i, id in ipairs(ids) do
    local live = watched[i] == 1 or unwatched[i] == 1
    local started = live and listed[i] == 0 and start_of(id)
    if not started or started >= tonumber(missing[2 * i]) then forgotten[#forgotten + 1] = id end
  end
end
local sizes = { redis.call('SCARD', RUN) + redis.call('SCARD', UNWATCHED) }
for _, kind in ipairs({ 'hang_up', 'listed', 'adopted', 'restored', 'elsewhere' }) do sizes[#sizes + 1] = redis.call('SCARD', staged(kind)) end
sizes[3] = sizes[3] - 1
if #forgotten > 0 then redis.call('ZREM', MISSING, unpack(forgotten)) end
return { 'counted', #ids == batch and string.format('%d', from + batch - #forgotten) or '',
  redis.call('ZCOUNT', MISSING, '-inf', '(' .. ARGV[4]), unpack(sizes) }
