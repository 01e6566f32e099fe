-- Words that facts hold as their place in this list; common-words.ts has the same.
local WORDS = { [0] = 'sip', 'inbound', 'outbound', 'ssh', 'web', 'socks' }
