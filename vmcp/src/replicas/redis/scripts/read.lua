-- Reads a part of a stream. KEYS: stream. ARGV: number to read from or nothing, messages at most, whether the store counts.
-- Whoever reads from a number has got what is before it; whoever names none gets what nobody has got. So does who names one
-- that the store has not counted to.
-- Returns whether there is a stream, whether it has ended, its last writer, and numbers and messages in turn.
local stream = KEYS[1]
if redis.call('EXISTS', stream) == 0 then
  return { 0 }
end
local fields = redis.call('HMGET', stream, 'first', 'next', 'read', 'ended', 'writer')
local first, following = tonumber(fields[1] or '0'), tonumber(fields[2] or '0')
local named = tonumber(ARGV[1])
if named and named > following and ARGV[3] == '1' then
  named = nil
end
local from = math.max(first, named or tonumber(fields[3] or '0'))
local after = math.min(following, from + ARGV[2])
local page = { 1, fields[4] and after == following and 1 or 0, fields[5] or '' }
for number = from, after - 1 do
  local message = redis.call('HGET', stream, 'm' .. number)
  if message then
    page[#page + 1] = number
    page[#page + 1] = message
  end
end
if named then
  redis.call('HSET', stream, 'read', from)
end
return page
