-- Whether the session with a backend is the caller's to end: that of the first who asks, and of nobody when another one has
-- taken its place. KEYS: backends. ARGV: backend, ticket, kept.
local backends, backend = KEYS[1], ARGV[1]
local ticket = redis.call('HGET', backends, 'ticket:' .. backend)
if ticket and ticket ~= ARGV[2] or redis.call('HGET', backends, 'ended:' .. backend) == ARGV[2] then
  return 0
end
redis.call('HDEL', backends, 'ticket:' .. backend, 'session:' .. backend, 'listener:' .. backend, 'users:' .. backend)
redis.call('HSET', backends, 'ended:' .. backend, ARGV[2])
redis.call('PEXPIRE', backends, ARGV[3])
return 1
