-- What is known of a client's session with a backend, which the caller uses from now on, or the claim to open it. KEYS: backends.
-- ARGV: backend, ticket of the session that was lost or nothing, replica, time that a claim holds, kept.
-- Returns ticket and session; or nothing and how long another replica may still take to open it; or nothing at all to the
-- replica whose claim it is from now on.
local backends, backend = KEYS[1], ARGV[1]
local known =
  redis.call('HMGET', backends, 'ticket:' .. backend, 'session:' .. backend, 'claim:' .. backend, 'claimer:' .. backend)
if known[1] and known[1] ~= ARGV[2] then
  redis.call('HINCRBY', backends, 'users:' .. backend, 1)
  return { known[1], known[2] }
end
local time = now()
if known[3] and known[4] ~= ARGV[3] and tonumber(known[3]) > time then
  return { '', tostring(tonumber(known[3]) - time) }
end
redis.call('HSET', backends, 'claim:' .. backend, time + ARGV[4], 'claimer:' .. backend, ARGV[3])
redis.call('PEXPIRE', backends, ARGV[5])
return {}
