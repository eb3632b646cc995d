-- Takes a lease unless somebody else has it; gives -1, or how many milliseconds the other has it for.
-- KEYS: lease, form. ARGV: holder, milliseconds, form.
-- Whoever could not save what it brings has no turn.
local form = tonumber(redis.call('GET', KEYS[2]) or ARGV[3])
if form > tonumber(ARGV[3]) then
    return redis.error_reply('LATERFORM ' .. form)
end
local holder = redis.call('GET', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
-- One without an end was not made by this program.
if holder and holder ~= ARGV[1] and left >= 0 then
    return left
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return -1
