-- The statements of server keys. All times are the database's. A trigger tells instances of each change (held_lists).

-- {key}: what operators are shown of a key
present.key_id, present.source, present.title, present.scopes, present.board_ids, present.rate,
present.created_at, present.expires_at, present.revoked_at, present.previous_until

-- read_keys: reads the keys that are not revoked
SELECT key_id, source, scopes, board_ids, rate, expires_at, secret, previous_secret, previous_until
FROM server_keys
WHERE revoked_at IS NULL

-- add_key: adds a key, unless there are too many
-- Changes take turns, so that two together do not pass the limit.
SELECT FROM held_lists WHERE list = 'server_keys' FOR UPDATE;
INSERT INTO server_keys AS present
    (key_id, source, title, scopes, board_ids, rate, expires_at, secret)
SELECT %(key_id)s, %(source)s, %(title)s, %(scopes)s::text[], %(board_ids)s::text[], %(rate)s,
    %(expires_at)s::timestamptz, %(secret)s
WHERE (SELECT count(*) FROM server_keys WHERE revoked_at IS NULL) < %(keys_max)s
RETURNING {key}

-- list_keys: reads every key, the oldest first
SELECT {key} FROM server_keys AS present ORDER BY present.created_at, present.key_id

-- rotate_key: gives a key another secret; the one that it had is good for a while, the one before that no more
UPDATE server_keys AS present
SET secret = %(secret)s,
    previous_secret = present.secret,
    previous_until = now() + make_interval(secs => %(grace_seconds)s)
WHERE present.key_id = %(key_id)s AND present.revoked_at IS NULL
RETURNING {key}

-- revoke_key: ends a key for good, and wipes its secrets
UPDATE server_keys AS present
SET revoked_at = now(), secret = NULL, previous_secret = NULL, previous_until = NULL
WHERE present.key_id = %(key_id)s AND present.revoked_at IS NULL
RETURNING {key}

-- read_sealed: reads what is sealed of the keys that are not revoked
SELECT key_id, secret, previous_secret
FROM server_keys
WHERE revoked_at IS NULL
ORDER BY key_id

-- reseal_key: puts in what was sealed anew, unless the key was rotated or revoked meanwhile
UPDATE server_keys AS present
SET secret = %(secret)s, previous_secret = %(previous_secret)s
WHERE present.key_id = %(key_id)s
    AND present.secret = %(former_secret)s
    AND present.previous_secret IS NOT DISTINCT FROM %(former_previous_secret)s
RETURNING present.key_id

-- find_answered: has a row if this signed request was answered
SELECT 1 FROM answered_requests WHERE key_id = %(key_id)s AND request_id = %(request_id)s

-- note_answered: notes that a signed request was answered
INSERT INTO answered_requests (key_id, request_id) VALUES (%(key_id)s, %(request_id)s) ON CONFLICT DO NOTHING

-- forget_answered: forgets signed requests that were answered so long ago that no signature of theirs is good
DELETE FROM answered_requests WHERE answered_at < now() - interval '1 hour'
