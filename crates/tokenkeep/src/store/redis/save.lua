-- Writes a record if the key's version is the expected one; gives the new version, or nothing on a conflict.
-- KEYS: record, keys, changes, version, form, due. ARGV: key, expected version or '', record, name of this call, form,
-- channel, name of the caller, when it is due or ''.
local form = tonumber(redis.call('GET', KEYS[5]) or ARGV[5])
if form > tonumber(ARGV[5]) then
    return redis.error_reply('LATERFORM ' .. form)
end
local present = redis.call('HMGET', KEYS[1], 'version', 'call')
-- The same call again: its connection was lost before its answer.
if present[2] == ARGV[4] then
    return present[1]
end
if (present[1] or '') ~= ARGV[2] then
    return false
end
-- Versions are microseconds of the server's clock, so that they do not start again when its memory is lost.
local time = redis.call('TIME')
local version = math.max(time[1] * 1000000 + time[2], (redis.call('GET', KEYS[4]) or 0) + 1)
version = string.format('%.0f', version)
-- Memory and rights are looked at before the first write, and the record comes last: without it there is nothing.
redis.call('SET', KEYS[4], version)
redis.call('SET', KEYS[5], ARGV[5])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('ZADD', KEYS[3], version, ARGV[1])
if ARGV[8] == '' then
    redis.call('ZREM', KEYS[6], ARGV[1])
else
    redis.call('ZADD', KEYS[6], ARGV[8], ARGV[1])
end
redis.call('HSET', KEYS[1], 'version', version, 'call', ARGV[4], 'record', ARGV[3])
-- Who may not publish saves all the same.
redis.pcall('PUBLISH', ARGV[6], ARGV[7])
return version
