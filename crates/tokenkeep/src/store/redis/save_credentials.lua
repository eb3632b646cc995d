-- Writes credentials; if there are others to replace, only in their place. Gives whether it did.
-- KEYS: credentials, accounts. ARGV: key, credentials, and perhaps those before.
local present = redis.call('GET', KEYS[1])
-- The same call again: its connection was lost before its answer.
if present == ARGV[2] then
    return 1
end
if ARGV[3] and present ~= ARGV[3] then
    return 0
end
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('SET', KEYS[1], ARGV[2])
return 1
