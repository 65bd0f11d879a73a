-- The time of Redis in milliseconds: replicas need not agree on the time.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whether a session was used within its time.
local function lives(session, ttl)
  local used = redis.call('HGET', session, 'used')
  return used and now() - tonumber(used) < tonumber(ttl)
end
