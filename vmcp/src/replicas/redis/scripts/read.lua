-- Reads a part of a stream. KEYS: stream. ARGV: number to read from or nothing, messages at most.
-- Whoever reads from a number has got what is before it; whoever names none gets what nobody has got.
-- Returns whether there is a stream, whether it has ended, its last writer, and numbers and messages in turn.
local stream = KEYS[1]
if redis.call('EXISTS', stream) == 0 then
  return { 0 }
end
local fields = redis.call('HMGET', stream, 'first', 'next', 'read', 'ended', 'writer')
local first, following = tonumber(fields[1] or '0'), tonumber(fields[2] or '0')
local from = math.max(first, tonumber(ARGV[1] == '' and (fields[3] or '0') or ARGV[1]))
local after = math.min(following, from + ARGV[2])
local page = { 1, fields[4] and after == following and 1 or 0, fields[5] or '' }
for number = from, after - 1 do
  local message = redis.call('HGET', stream, 'm' .. number)
  if message then
    page[#page + 1] = number
    page[#page + 1] = message
  end
end
if ARGV[1] ~= '' then
  redis.call('HSET', stream, 'read', from)
end
return page
