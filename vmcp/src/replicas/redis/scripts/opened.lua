-- Notes what came of a claim, and tells so. KEYS: backends.
-- ARGV: backend, replica, ticket or nothing, session, kept, channel, signal. Returns 0 when the claim had been lost.
local backends, backend = KEYS[1], ARGV[1]
if redis.call('HGET', backends, 'claimer:' .. backend) ~= ARGV[2] then
  return 0
end
redis.call('HDEL', backends, 'claim:' .. backend, 'claimer:' .. backend)
if ARGV[3] ~= '' then
  redis.call('HSET', backends, 'ticket:' .. backend, ARGV[3], 'session:' .. backend, ARGV[4], 'users:' .. backend, 1)
  redis.call('HDEL', backends, 'listener:' .. backend)
  redis.call('PEXPIRE', backends, ARGV[5])
end
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
