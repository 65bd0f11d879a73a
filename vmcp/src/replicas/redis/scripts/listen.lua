-- Makes a replica the one that listens to a backend, where there is none or the one named is gone. KEYS: backends.
-- ARGV: backend, ticket, replica, the replica that is gone or nothing. Returns who listens; nothing when the session has ended.
local backends, listener = KEYS[1], 'listener:' .. ARGV[1]
if redis.call('HGET', backends, 'ticket:' .. ARGV[1]) ~= ARGV[2] then
  return ''
end
local listening = redis.call('HGET', backends, listener)
if not listening or listening == ARGV[4] then
  redis.call('HSET', backends, listener, ARGV[3])
  listening = ARGV[3]
end
return listening
