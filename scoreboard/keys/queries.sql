-- The statements of server keys. Whatever changes one moves the clock of revocations first, and holds it until the
-- commit: so changes take turns, and their readings follow the order of commits. All times are the database's.

-- {moved_clock}: moves the clock, once
moved_clock AS MATERIALIZED (
    UPDATE revocation_clock
    SET reading = greatest(reading + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    RETURNING reading
)

-- {key}: what operators are shown of a key
present.key_id, present.source, present.title, present.scopes, present.board_ids, present.rate,
present.created_at, present.expires_at, present.revoked_at, present.previous_until

-- read_changed_keys: reads the keys that have changed at a later reading; revoked ones too, unless all are read
-- Each row begins with the clock; there is one, of no key, if nothing has changed.
SELECT clock.reading, changed.key_id, changed.source, changed.scopes, changed.board_ids, changed.rate,
    changed.expires_at, changed.revoked_at IS NOT NULL, changed.secret, changed.previous_secret,
    changed.previous_until, changed.reading
FROM revocation_clock AS clock
LEFT JOIN server_keys AS changed
    ON changed.reading > %(after)s::bigint AND (changed.revoked_at IS NULL OR %(after)s::bigint > 0)

-- add_key: adds a key, unless there are too many
WITH {moved_clock}
INSERT INTO server_keys AS present
    (key_id, source, title, scopes, board_ids, rate, expires_at, secret, reading)
SELECT %(key_id)s, %(source)s, %(title)s, %(scopes)s::text[], %(board_ids)s::text[], %(rate)s,
    %(expires_at)s::timestamptz, %(secret)s, moved_clock.reading
FROM moved_clock
WHERE (SELECT count(*) FROM server_keys WHERE revoked_at IS NULL) < %(keys_max)s
RETURNING {key}

-- list_keys: reads every key, the oldest first
SELECT {key} FROM server_keys AS present ORDER BY present.created_at, present.key_id

-- rotate_key: gives a key another secret; the one that it had is good for a while, the one before that no more
WITH {moved_clock}
UPDATE server_keys AS present
SET secret = %(secret)s,
    previous_secret = present.secret,
    previous_until = now() + make_interval(secs => %(grace_seconds)s),
    reading = moved_clock.reading
FROM moved_clock
WHERE present.key_id = %(key_id)s AND present.revoked_at IS NULL
RETURNING {key}

-- revoke_key: ends a key for good, and wipes its secrets
WITH {moved_clock}
UPDATE server_keys AS present
SET revoked_at = now(), secret = NULL, previous_secret = NULL, previous_until = NULL, reading = moved_clock.reading
FROM moved_clock
WHERE present.key_id = %(key_id)s AND present.revoked_at IS NULL
RETURNING {key}

-- read_sealed: reads what is sealed of the keys that are not revoked
SELECT key_id, secret, previous_secret
FROM server_keys
WHERE revoked_at IS NULL
ORDER BY key_id

-- reseal_key: puts in what was sealed anew, unless the key was rotated or revoked meanwhile
WITH {moved_clock}
UPDATE server_keys AS present
SET secret = %(secret)s, previous_secret = %(previous_secret)s, reading = moved_clock.reading
FROM moved_clock
WHERE present.key_id = %(key_id)s
    AND present.secret = %(former_secret)s
    AND present.previous_secret IS NOT DISTINCT FROM %(former_previous_secret)s
RETURNING present.key_id
