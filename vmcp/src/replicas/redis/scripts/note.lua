-- Notes or forgets a field of a session that has not ended, and tells so. KEYS: session.
-- ARGV: field or nothing, value or nothing, and where something is told, channel and signal. Returns whether the session has not ended.
if ARGV[3] then
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
elseif ARGV[1] ~= '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return 1
