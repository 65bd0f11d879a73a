-- Adds a message to a stream, makes room for it, and tells so. KEYS: stream.
-- ARGV: number or nothing, message, messages kept, bytes kept, ttl, writer, channel, signal, digest or nothing, count of the writer's.
-- A message with a number that was said before is the same one, sent again. So is one that is not counted on from the writer's last.
local stream = KEYS[1]
local function read(field)
  return tonumber(redis.call('HGET', stream, field)) or 0
end
local following, first, bytes = read('next'), read('first'), read('bytes')
if following == 0 and ARGV[1] == '' then
  -- There may have been such a stream that is lost. Whoever has read of that one has not read of this one.
  following = now()
  first = following
end
local number = tonumber(ARGV[1]) or following
local counted = 'count:' .. ARGV[6]
if number < following or tonumber(ARGV[10]) <= read(counted) then
  return 0
end
if ARGV[9] ~= '' then
  for waiting = math.max(first, read('read')), number - 1 do
    if redis.call('HGET', stream, 'd' .. waiting) == ARGV[9] then
      return 0
    end
  end
  redis.call('HSET', stream, 'd' .. number, ARGV[9])
end
redis.call('HSET', stream, 'm' .. number, ARGV[2], 'next', number + 1, 'writer', ARGV[6], counted, ARGV[10])
bytes = bytes + #ARGV[2]
while first < number and (number - first >= tonumber(ARGV[3]) or bytes > tonumber(ARGV[4])) do
  bytes = bytes - redis.call('HSTRLEN', stream, 'm' .. first)
  redis.call('HDEL', stream, 'm' .. first, 'd' .. first)
  first = first + 1
end
redis.call('HSET', stream, 'first', first, 'bytes', bytes)
redis.call('PEXPIRE', stream, ARGV[5])
redis.call('PUBLISH', ARGV[7], ARGV[8])
return 1
