-- Takes keys that are due, for so long; gives them, those first that are due the longest. KEYS: due. ARGV: how many,
-- for how many milliseconds.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local claimed = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
for _, key in ipairs(claimed) do
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), key)
end
return claimed
