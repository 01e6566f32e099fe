#!lua flags=allow-oom
-- What a node lists and has no place is really over now, a bounded batch: an ending that was provisional becomes final.
-- What has come back onto the books since it was listed stays, as does a record that cannot be read.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] mark (ms)   ARGV[5] cursor, '0' to begin   ARGV[6] batch
--
-- Reply: next cursor ('0': done), then the ids that the node has to hang up; one may come twice

-- @include reading
-- @include endings
-- @include staging
local page = redis.call('SSCAN', staged('hang_up'), ARGV[5], 'COUNT', ARGV[6])
local reply, back, final = { page[1] }, {}, {}
for _, id in ipairs(page[2]) do
  local session = read_session(id)
  if session and (session.live or session.unreadable) then
    back[#back + 1] = id
  else
    reply[#reply + 1] = id
    if session and session.list[STATE] == PROVISIONAL then final[#final + 1] = { id, session } end
  end
end
if #back > 0 then redis.call('SREM', staged('hang_up'), unpack(back)) end
for _, f in ipairs(final) do
  f[2].list[STATE] = ENDED
  redis.call('SET', key('session:', f[1]), pack_tombstone(f[2]), 'KEEPTTL')
end
return reply
