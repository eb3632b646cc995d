-- Counts a request of a budget unless its window is full; gives -1, or how many microseconds it is full for.
-- KEYS: budget. ARGV: requests, window in microseconds, name of this call.
local requests, window = tonumber(ARGV[1]), tonumber(ARGV[2])
-- The same call again: its connection was lost before its answer.
if redis.call('ZSCORE', KEYS[1], ARGV[3]) then
    return -1
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - window))
-- What lies more than a window ahead was counted before the server's clock was set back.
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('%.0f', now + window), '+inf')
if redis.call('ZCARD', KEYS[1]) < requests then
    redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[3])
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', window / 1000))
    return -1
end
-- The youngest of those that have to leave the window before there is room again.
local in_the_way = redis.call('ZRANGE', KEYS[1], -requests, -requests, 'WITHSCORES')
return math.max(0, math.min(window, tonumber(in_the_way[2]) + window - now))
