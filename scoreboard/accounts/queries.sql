-- The statements of accounts. Rows are locked in one order everywhere (users, refresh_families,
-- refresh_tokens), so that none of these can deadlock with another or with a user's deletion. All times
-- are the database's: instances' clocks differ. `{begin_family}`, `{end_all_families}` and `{family_id}` are said once, in
-- `queries.py`.

-- create: adds a user
INSERT INTO users (username, username_key, email, email_given, password_hash)
VALUES (%(username)s, %(username_key)s, %(email)s, %(email_given)s, %(password_hash)s)
RETURNING user_id::text, username, coalesce(email_given, email), created_at

-- meet: adds a user of an identity provider, unless they are here; says whether they were added, or what is against it
-- Not one who was deleted while tokens from before may be alive: an instance that has not read of it yet would
-- bring the user back. After that a token makes a new user of the same id, who has nothing of the one before.
-- And not one who is banned, be they here or deleted since.
WITH met AS MATERIALIZED (
    SELECT
        CASE
            WHEN EXISTS (SELECT FROM bans WHERE user_id = %(user_id)s::uuid) THEN 'banned'
            WHEN EXISTS (SELECT FROM revocations WHERE user_id = %(user_id)s::uuid AND deleted) THEN 'deleted'
        END AS obstacle
),
added AS (
    INSERT INTO users (user_id, username, username_key, email, email_given, password_hash, source)
    SELECT
        %(user_id)s::uuid,
        %(username)s,
        %(username_key)s,
        %(email)s,
        %(email_given)s,
        %(password_hash)s,
        %(source)s
    FROM met
    WHERE obstacle IS NULL
    ON CONFLICT (user_id) DO NOTHING
    RETURNING user_id
)
SELECT coalesce(obstacle, ''), EXISTS (SELECT FROM added) FROM met

-- register: adds a user together with a first family, so that a failure leaves neither
WITH owner AS (
    INSERT INTO users (username, username_key, email, email_given, password_hash)
    VALUES (%(username)s, %(username_key)s, %(email)s, %(email_given)s, %(password_hash)s)
    RETURNING user_id, username, (SELECT reading FROM revocation_clock) AS reading
),
{begin_family}

-- find_by_username: finds a user by a name as it is spelled, or else by its key
-- Two users may have one name in two spellings, from before there were keys. Each is found by their own, in
-- the form in which names are shown or in which they once were.
SELECT user_id::text, username, coalesce(email_given, email), created_at, password_hash, banned_at IS NOT NULL
FROM users
WHERE username IN (%(shown)s, %(shown_before)s) OR username_key = %(key)s
ORDER BY username = %(shown)s DESC, username = %(shown_before)s DESC
LIMIT 1

-- find_by_email: finds a user by an address in lower case, or else by its key
SELECT user_id::text, username, coalesce(email_given, email), created_at, password_hash, banned_at IS NOT NULL
FROM users
WHERE email IN (%(lower)s, %(key)s)
ORDER BY email = %(lower)s DESC
LIMIT 1

-- find_by_id: finds a user
SELECT user_id::text, username, coalesce(email_given, email), created_at
FROM users
WHERE user_id = %(user_id)s::uuid

-- find_player: finds how a user is called, and who brought them
SELECT username, source FROM users WHERE user_id = %(user_id)s::uuid

-- list_users: reads users in the order of their keys, from after one key; with a part in it, and registered since
-- What follows a space in a key is no part of a name: see `own_key`. Who keeps what erased users left is nobody.
SELECT user_id::text, username, coalesce(email_given, email), created_at, username_key, email
FROM users
WHERE username_key > %(after)s
AND erased_at IS NULL
AND position(%(part)s IN split_part(username_key, ' ', 1)) > 0
AND coalesce(created_at >= %(since)s::timestamptz, %(since)s::timestamptz IS NULL)
ORDER BY username_key
LIMIT %(limit)s

-- find_key: finds the key of a user
SELECT username_key FROM users WHERE user_id = %(user_id)s::uuid

-- list_marked: reads users whose e-mail address ends so, in the order of ids, from after one
SELECT user_id::text, username, coalesce(email_given, email), created_at
FROM users
WHERE user_id > %(after)s::uuid AND right(email, length(%(ending)s)) = %(ending)s
ORDER BY user_id
LIMIT %(limit)s

-- list_suspects: reads users who may share a name or a mailbox with somebody
-- A key of a user's own has a space, and an address that is in no key's form has letters beyond ASCII.
SELECT user_id::text, username, coalesce(email_given, email), created_at, username_key, email
FROM users
WHERE position(' ' IN username_key) > 0 OR octet_length(email) > length(email)
ORDER BY username_key

-- users_without_key: reads users that an older version registered since the keys were made, oldest first
SELECT user_id::text, username, email
FROM users
WHERE username_key IS NULL
ORDER BY created_at, user_id
LIMIT %(limit)s

-- set_key: gives a user a key, unless they have one by now
UPDATE users
SET username_key = %(key)s
WHERE user_id = %(user_id)s::uuid AND username_key IS NULL

-- set_email: gives a user another address
UPDATE users
SET email = %(email)s, email_given = %(email_given)s, updated_at = now()
WHERE user_id = %(user_id)s::uuid

-- change_email: gives a user, who knows the password, another address
-- No row if the password is no longer the one that was verified, which takes tens of milliseconds.
UPDATE users
SET email = %(email)s, email_given = %(email_given)s, updated_at = now()
WHERE user_id = %(user_id)s::uuid AND password_hash = %(password_hash)s
RETURNING email_given

-- open_family: begins a family, unless the password is no longer the one that was verified
-- Verifying takes tens of milliseconds, in which the password may be changed and all families ended. The
-- row's lock makes the two take turns: this comes first and is ended too, or comes second and finds another
-- hash. Two statements, here and below, are one transaction; two, because the second one's snapshot must hold
-- what the first one waited for.
SELECT FROM users WHERE user_id = %(user_id)s::uuid FOR SHARE;
WITH owner AS MATERIALIZED (
    SELECT user_id, username, (SELECT reading FROM revocation_clock) AS reading
    FROM users
    WHERE user_id = %(user_id)s::uuid AND password_hash = %(password_hash)s
),
{begin_family}

-- open_family_of: begins a family for a user whom an identity provider has vouched for, unless they are banned
-- The lock is `open_family`'s: who is banned or deleted at this moment comes before it or after it, and ends it too.
SELECT FROM users WHERE user_id = %(user_id)s::uuid FOR SHARE;
WITH owner AS MATERIALIZED (
    SELECT user_id, username, (SELECT reading FROM revocation_clock) AS reading
    FROM users
    WHERE user_id = %(user_id)s::uuid AND banned_at IS NULL
),
{begin_family}

-- is_banned: says whether a user is banned; no row if there is no such user
SELECT banned_at IS NOT NULL FROM users WHERE user_id = %(user_id)s::uuid

-- rehash: keeps a new hash of the same password, unless the password was changed since
UPDATE users
SET password_hash = %(new_hash)s
WHERE user_id = %(user_id)s::uuid AND password_hash = %(password_hash)s

-- rotate: judges a refresh token and, if it is good, replaces it; all in one step
-- The family's lock makes rotations, log-outs and ends take turns. A token is looked for by its own hash, and by
-- its handle's if it is none that is kept. No row means unknown; the outcomes are
-- 'rotated'      it was the family's newest and is replaced by the successor that was passed
-- 'graced'       it was the one before the newest, was replaced within the grace and had no answer since: the
--                newest one is its answer, the only one; and it is not one too many in a row
-- 'underivable'  the same, but none of the candidates is the newest, so this instance cannot answer
-- 'reused'       anything else: two parties hold the family, which ends, with the access tokens of its user
-- 'expired'      it is the newest, and too old, or its family is
-- 'banned'       nothing was done with it, and it is as good as it was once the ban of its user is lifted
-- 'ended'        the release before this one kept families that had ended
SELECT
FROM refresh_families
WHERE family_id = {family_id}
FOR UPDATE;
WITH family AS MATERIALIZED (
    SELECT
        family_id,
        user_id,
        created_at,
        revoked_at,
        EXISTS (SELECT FROM bans WHERE bans.user_id = refresh_families.user_id) AS is_banned
    FROM refresh_families
    WHERE family_id = {family_id}
),
judged AS MATERIALIZED (
    SELECT
        family.family_id,
        family.user_id,
        family.created_at,
        presented.token_hash,
        presented.predecessor_hash,
        presented.graces,
        newest.token_hash AS newest_hash,
        least(
            now() + make_interval(secs => %(lifetime_seconds)s),
            family.created_at + make_interval(secs => %(family_seconds)s)
        ) AS expires_at,
        CASE
            WHEN family.revoked_at IS NOT NULL THEN 'ended'
            WHEN family.is_banned THEN 'banned'
            WHEN family.created_at <= now() - make_interval(secs => %(family_seconds)s) THEN 'expired'
            WHEN presented.replaced_at IS NULL AND presented.expires_at <= now() THEN 'expired'
            WHEN presented.replaced_at IS NULL AND presented.token_hash IS NOT NULL THEN 'rotated'
            WHEN newest.token_hash IS NULL THEN 'reused'
            WHEN presented.replaced_at <= clock_timestamp() - make_interval(secs => %(grace_seconds)s)
                THEN 'reused'
            WHEN presented.graced_at IS NOT NULL THEN 'reused'
            WHEN presented.graces >= %(graces_max)s THEN 'reused'
            WHEN newest.token_hash = ANY (%(candidates)s::bytea[]) THEN 'graced'
            ELSE 'underivable'
        END AS outcome
    FROM family
    LEFT JOIN refresh_tokens AS presented ON presented.token_hash = %(token_hash)s
    LEFT JOIN refresh_tokens AS newest
        ON newest.token_hash = presented.successor_hash AND newest.replaced_at IS NULL
),
replaced AS (
    UPDATE refresh_tokens
    SET replaced_at = clock_timestamp(), successor_hash = %(successor_hash)s
    FROM judged
    WHERE judged.outcome = 'rotated' AND refresh_tokens.token_hash = judged.token_hash
),
issued AS (
    INSERT INTO refresh_tokens (token_hash, family_id, expires_at, predecessor_hash)
    SELECT %(successor_hash)s, family_id, expires_at, token_hash
    FROM judged
    WHERE outcome = 'rotated'
),
known AS (
    INSERT INTO refresh_handles (handle_hash, family_id)
    SELECT %(handle_hash)s, family_id
    FROM judged
    WHERE outcome = 'rotated'
    ON CONFLICT DO NOTHING
),
pruned AS (
    DELETE FROM refresh_tokens
    USING judged
    WHERE judged.outcome = 'rotated' AND refresh_tokens.token_hash = judged.predecessor_hash
),
graced AS (
    UPDATE refresh_tokens
    SET graced_at = clock_timestamp()
    FROM judged
    WHERE judged.outcome = 'graced' AND refresh_tokens.token_hash = judged.token_hash
),
counted AS (
    UPDATE refresh_tokens
    SET graces = judged.graces + 1
    FROM judged
    WHERE judged.outcome = 'graced' AND refresh_tokens.token_hash = judged.newest_hash
),
ended AS (
    DELETE FROM refresh_families
    USING judged
    WHERE judged.outcome = 'reused' AND refresh_families.family_id = judged.family_id
)
SELECT
    judged.outcome,
    judged.family_id::text,
    judged.user_id::text,
    users.username,
    judged.newest_hash,
    CASE
        WHEN judged.outcome = 'reused' THEN revoke_access(judged.user_id, FALSE)
        ELSE (SELECT reading FROM revocation_clock)
    END,
    extract(epoch FROM judged.created_at)::float8
FROM judged
JOIN users ON users.user_id = judged.user_id

-- end_family: ends the family of a token
DELETE FROM refresh_families
WHERE family_id = {family_id}
RETURNING family_id::text, user_id::text

-- end_families: ends all families of a user, and the access tokens; no row if there is no such user
-- A log-in under way comes before and is ended too, or comes after: see open_family.
SELECT FROM users WHERE user_id = %(user_id)s::uuid FOR NO KEY UPDATE;
{end_all_families}

-- set_password: changes a password, ends all families of its user, and the access tokens
UPDATE users
SET password_hash = %(password_hash)s, updated_at = now()
WHERE user_id = %(user_id)s::uuid;
{end_all_families}

-- change_password: the same for the user, who knows the old one, and begins a new family with it
-- No row if the password is no longer the one that was verified. That the first statement changed it is seen by
-- the hash, which no other password has, nor the same one a second time.
UPDATE users
SET password_hash = %(new_hash)s, updated_at = now()
WHERE user_id = %(user_id)s::uuid AND password_hash = %(password_hash)s;
DELETE FROM refresh_families
USING users
WHERE users.user_id = %(user_id)s::uuid
    AND users.password_hash = %(new_hash)s
    AND refresh_families.user_id = users.user_id;
WITH owner AS MATERIALIZED (
    SELECT user_id, username, revoke_access(user_id, FALSE) AS reading
    FROM users
    WHERE user_id = %(user_id)s::uuid AND password_hash = %(new_hash)s
),
{begin_family}

-- read_password: finds the hash of a user's password
SELECT username, coalesce(email_given, email), password_hash FROM users WHERE user_id = %(user_id)s::uuid

-- read_revocations: reads who was revoked at a later reading, the newest first, unless it was too long ago
-- Each row begins with the oldest reading that is not too long ago; there is one, of nobody, if nobody was revoked.
-- Each ends with when the lists changed last that instances hold in memory, as JSON.
WITH kept AS (
    SELECT ((extract(epoch FROM clock_timestamp()) - %(kept_seconds)s) * 1000)::bigint AS oldest
)
SELECT
    kept.oldest,
    revocations.user_id::text,
    revocations.reading,
    revocations.deleted,
    (SELECT json_object_agg(list, reading) FROM held_lists)::text
FROM kept
LEFT JOIN revocations ON revocations.reading > greatest(%(after)s::bigint, kept.oldest)
ORDER BY revocations.reading DESC NULLS LAST
LIMIT %(limit)s

-- read_bans: reads a page of who is banned
SELECT user_id::text FROM bans WHERE user_id > %(after)s::uuid ORDER BY user_id LIMIT %(limit)s

-- purge_revocations: deletes what was revoked too long ago for any token to be alive
DELETE FROM revocations
WHERE reading < ((extract(epoch FROM clock_timestamp()) - %(kept_seconds)s) * 1000)::bigint

-- purge: deletes some of the tokens that expired, and the families that have no others; counts the tokens
-- An hour late, so that a rotation that began before the expiry has long ended: this statement's snapshot
-- may lack the successor that such a one just issued. A family that somebody holds is left for the next time.
WITH expired AS MATERIALIZED (
    SELECT family_id
    FROM refresh_tokens
    WHERE expires_at < now() - interval '1 hour'
    ORDER BY expires_at
    LIMIT %(limit)s
),
free AS MATERIALIZED (
    SELECT family_id
    FROM refresh_families
    WHERE family_id IN (SELECT family_id FROM expired)
    FOR UPDATE SKIP LOCKED
),
ended AS (
    DELETE FROM refresh_families
    WHERE family_id IN (SELECT family_id FROM free)
    AND NOT EXISTS (
        SELECT FROM refresh_tokens AS tokens
        WHERE tokens.family_id = refresh_families.family_id
        AND tokens.expires_at >= now() - interval '1 hour'
    )
),
purged AS (
    DELETE FROM refresh_tokens
    WHERE family_id IN (SELECT family_id FROM free) AND expires_at < now() - interval '1 hour'
    RETURNING family_id
)
SELECT count(*) FROM purged
