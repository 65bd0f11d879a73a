-- Notes that a replica does not use a session with a backend any more. Another one may listen in its place, and is told so.
-- KEYS: backends. ARGV: backend, ticket, replica, channel, signal. Returns whether nobody uses it now.
local backends, listener = KEYS[1], 'listener:' .. ARGV[1]
if redis.call('HGET', backends, 'ticket:' .. ARGV[1]) ~= ARGV[2] then
  return 0
end
if redis.call('HGET', backends, listener) == ARGV[3] then
  redis.call('HDEL', backends, listener)
  redis.call('PUBLISH', ARGV[4], ARGV[5])
end
return redis.call('HINCRBY', backends, 'users:' .. ARGV[1], -1) <= 0 and 1 or 0
