#!lua flags=allow-oom
-- Takes back an admission whose answer its caller never got: gone as if it had not been, unless another
-- call of the same session was answered too.
--
--   ARGV[2] sessionId   ARGV[3] attempt   ARGV[4] token   ARGV[5] how long the withdrawal is remembered (ms)
--   ARGV[6] source address as rates know it, '' for none
--
-- The admission may still be on its way in another connection, so the token stays refused for a while: in a stub where
-- nothing is on the books, else in the record that is there. The stub keeps earlier attempts ended and shows as unknown.
--
-- Reply: withdrawn | kept (another call owns the session as well, or nobody can read who does) | none (it was not on the books).

-- @include reading
-- @include endings
-- @include tokens

-- What stands for an id of which nothing is on the books: attempts up to this one are refused.
local function withdrawn_stub(through)
  return { started = now, facts = '', list = { 1, WITHDRAWN, through, '', '', 0, 0, 0, 0, false, {}, {}, {} } }
end

local id, attempt, token, remembered_ms = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local session_key = key('session:', id)
local session = read_session(id)
if session and session.unreadable then return { 'kept' } end

if session == nil then
  session = withdrawn_stub(attempt - 1)
  revoke(session.list, token)
  redis.call('SET', session_key, pack_session(session), 'PX', remembered_ms)
  return { 'none' }
end

local list = session.list
local place = session.live and place_of(list[OWNERS], token)
if place then table.remove(list[OWNERS], place) else revoke(list, token) end
if list[STATE] == WITHDRAWN then
  list[ATTEMPT] = math.max(list[ATTEMPT], attempt - 1)
  redis.call('SET', session_key, pack_session(session), 'PX', remembered_ms)
  return { 'none' }
end
if not place or #list[OWNERS] > 0 then
  redis.call('SET', session_key, pack_session(session), 'KEEPTTL')
  return { 'kept' }
end

local plan = plan_end(id, session, nil, true)
-- @include give-back
apply_end(plan, touch_shard(), 'completed', 'withdrawn', remembered_ms)
local stub = withdrawn_stub(list[ATTEMPT] - 1)
stub.list[REVOKED] = list[REVOKED]
revoke(stub.list, token)
redis.call('SET', session_key, pack_session(stub), 'PX', remembered_ms)
give_back()
return { 'withdrawn' }
