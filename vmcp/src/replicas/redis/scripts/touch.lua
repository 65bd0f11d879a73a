-- Notes that a session is used. KEYS: sessions, session, backends, outbox. ARGV: digest, ttl, kept. Returns whether it lives.
if not lives(KEYS[2], ARGV[2]) then
  return 0
end
local time = now()
redis.call('HSET', KEYS[2], 'used', time)
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
redis.call('PEXPIRE', KEYS[4], ARGV[3])
redis.call('ZADD', KEYS[1], time, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
