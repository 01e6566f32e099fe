-- For the verbs of a snapshot. What its parts have said is kept aside in each shard until the snapshot has been worked on.
--
--   ARGV[2] node   ARGV[3] epoch   ARGV[4] mark (ms)

local node, epoch, mark = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local RUN = key('node_sessions:', node) .. ':' .. ARGV[3]
-- What the node had before its first beat, without an epoch: not watched, and judged by the lists of any of its runs.
local UNWATCHED = key('node_sessions:', node) .. ':0'
local MISSING = key('missing:', node) .. ':' .. ARGV[3]
local function staged(kind) return key('snapshot_' .. kind .. ':', node) .. ':' .. ARGV[3] .. ':' .. ARGV[4] end
local LISTED = staged('listed')

-- Every part puts a member that is no id into every shard. Where that is gone the list is gone, and what it lacks means nothing.
local function is_listed_here() return redis.call('SISMEMBER', LISTED, '') == 1 end

-- When the session began that is live under an id of this run; nil if its record is not there.
local function start_of(id)
  local start = redis.pcall('GETRANGE', key('session:', id), 0, 5)
  if type(start) == 'table' then return nil end -- of a foreign type
  return #start == 6 and struct.unpack(START, start) or nil
end
