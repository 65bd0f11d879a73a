-- Ends a session that was not used within its time. KEYS: sessions, session. ARGV: digest, ttl.
-- Returns 0 when it was gone, 1 when it has ended now, 2 when it lives.
if redis.call('EXISTS', KEYS[2]) == 0 then
  return 0
end
if lives(KEYS[2], ARGV[2]) then
  return 2
end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
