-- A rate as the limits have it: ms from one call to the next, 0 for none, and how many may come at once. In steps of 1/2048 ms, of which sums
-- with the time are exact (until 2109): else a rounding refuses the last call of a burst. So 10,000 per second are 9,990.
local function read_rate(field)
  local each, burst = string.match(field, '^(%S+) (%S+)$')
  return math.floor(tonumber(each) * 2048 + 0.5) / 2048, tonumber(burst)
end
