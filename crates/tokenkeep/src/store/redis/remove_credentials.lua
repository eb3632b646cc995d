-- Forgets credentials; gives whether there were any. KEYS: credentials, accounts. ARGV: key.
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])
