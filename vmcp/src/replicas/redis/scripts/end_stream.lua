-- Ends a stream, and tells so. KEYS: stream. ARGV: writer, time that it is kept for, channel, signal.
redis.call('HSET', KEYS[1], 'ended', 1, 'writer', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
