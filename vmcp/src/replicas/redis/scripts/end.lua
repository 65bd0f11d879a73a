-- Ends a session, and tells so. KEYS: sessions, session, outbox. ARGV: digest, channel, signal.
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
