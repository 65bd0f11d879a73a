-- Returns the fields of a session that lives. KEYS: session. ARGV: ttl.
if not lives(KEYS[1], ARGV[1]) then
  return {}
end
return redis.call('HGETALL', KEYS[1])
