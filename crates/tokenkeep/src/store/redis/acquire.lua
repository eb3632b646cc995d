-- Takes a lease unless somebody else has it; gives -1, or how many milliseconds the other has it for.
-- KEYS: lease. ARGV: holder, milliseconds.
local holder = redis.call('GET', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
-- One without an end was not made by this program.
if holder and holder ~= ARGV[1] and left >= 0 then
    return left
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return -1
