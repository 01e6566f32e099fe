-- What it takes to end sessions, on top of `reading.lua`; included by the verbs that may.

-- @include ending
-- @include look-up
