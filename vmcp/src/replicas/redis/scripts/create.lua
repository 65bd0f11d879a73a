-- Notes a session. KEYS: sessions, session. ARGV: digest, ttl, kept, cap, owner, handshake or nothing.
-- Returns 0 when there are as many sessions as may be.
local time = now()
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time - ARGV[2])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then
  return 0
end
redis.call('ZADD', KEYS[1], time, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('HSET', KEYS[2], 'used', time, 'owner', ARGV[5])
if ARGV[6] ~= '' then
  redis.call('HSET', KEYS[2], 'handshake', ARGV[6])
end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
