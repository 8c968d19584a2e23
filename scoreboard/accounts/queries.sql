-- The statements of accounts. Rows are locked in one order everywhere (users, refresh_families,
-- refresh_tokens), so that none of these can deadlock with another or with a user's deletion. All times
-- are the database's: instances' clocks differ.

-- create: adds a user
INSERT INTO users (username, username_key, email, email_given, password_hash)
VALUES (%(username)s, %(username_key)s, %(email)s, %(email_given)s, %(password_hash)s)
RETURNING user_id::text, username, coalesce(email_given, email), created_at

-- register: adds a user together with a first family, so that a failure leaves neither
WITH account AS (
    INSERT INTO users (username, username_key, email, email_given, password_hash)
    VALUES (%(username)s, %(username_key)s, %(email)s, %(email_given)s, %(password_hash)s)
    RETURNING user_id, username
),
family AS (
    INSERT INTO refresh_families (user_id)
    SELECT user_id FROM account
    RETURNING family_id
),
token AS (
    INSERT INTO refresh_tokens (token_hash, family_id, expires_at)
    SELECT %(token_hash)s, family_id, now() + make_interval(secs => %(lifetime_seconds)s) FROM family
)
SELECT user_id::text, username FROM account

-- find_by_username: finds a user by a name as it is spelled, or else by its key
-- Two users may have one name in two spellings, from before there were keys. Each is found by their own, in
-- the form in which names are shown or in which they once were.
SELECT user_id::text, username, coalesce(email_given, email), created_at, password_hash
FROM users
WHERE username IN (%(shown)s, %(shown_once)s) OR username_key = %(key)s
ORDER BY username = %(shown)s DESC, username = %(shown_once)s DESC
LIMIT 1

-- find_by_email: finds a user by an address in lower case, or else by its key
SELECT user_id::text, username, coalesce(email_given, email), created_at, password_hash
FROM users
WHERE email IN (%(lower)s, %(key)s)
ORDER BY email = %(lower)s DESC
LIMIT 1

-- find_by_id: finds a user
SELECT user_id::text, username, coalesce(email_given, email), created_at
FROM users
WHERE user_id = %(user_id)s::uuid

-- list_users: reads users in the order of their keys, from after one key
SELECT user_id::text, username, coalesce(email_given, email), created_at, username_key, email
FROM users
WHERE username_key > %(after)s
ORDER BY username_key
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

-- open_family: begins a family, unless the password is no longer the one that was verified
-- Verifying takes tens of milliseconds, in which the password may be changed and all families revoked. The
-- row's lock makes the two take turns: this comes first and is revoked too, or comes second and finds
-- another hash.
WITH owner AS MATERIALIZED (
    SELECT user_id, username
    FROM users
    WHERE user_id = %(user_id)s::uuid AND password_hash = %(password_hash)s
    FOR SHARE
),
family AS (
    INSERT INTO refresh_families (user_id)
    SELECT user_id FROM owner
    RETURNING family_id
),
token AS (
    INSERT INTO refresh_tokens (token_hash, family_id, expires_at)
    SELECT %(token_hash)s, family_id, now() + make_interval(secs => %(lifetime_seconds)s) FROM family
)
SELECT user_id::text, username FROM owner

-- rehash: keeps a new hash of the same password, unless the password was changed since
UPDATE users
SET password_hash = %(new_hash)s
WHERE user_id = %(user_id)s::uuid AND password_hash = %(password_hash)s

-- rotate: judges a refresh token and, if it is good, replaces it; all in one step
-- The family's lock makes rotation, log-out and revocation take turns: `family` reads revoked_at as of now,
-- and `presented` reads the token as the one before left it, even where this statement's snapshot is older
-- (a locking read follows a row to its newest version; a plain read would not).
-- No row means unknown or expired; the outcomes are
-- 'rotated'   it was the family's newest and is replaced by the successor that was passed
-- 'replaced'  it was replaced within the grace; `successors` leads from it to the newest, past any that were
--             replaced meanwhile (their graces end later, so nobody gets more than by asking again)
-- 'reused'    it was replaced before, so two parties hold the family, which is revoked
-- 'revoked'   the family was revoked before
WITH RECURSIVE family AS MATERIALIZED (
    SELECT family_id, user_id, revoked_at
    FROM refresh_families
    WHERE family_id = (SELECT family_id FROM refresh_tokens WHERE token_hash = %(token_hash)s)
    FOR UPDATE
),
presented AS MATERIALIZED (
    SELECT
        tokens.token_hash,
        tokens.successor_hash,
        tokens.replaced_at,
        family.family_id,
        family.user_id,
        family.revoked_at
    FROM refresh_tokens AS tokens
    JOIN family ON family.family_id = tokens.family_id
    WHERE tokens.token_hash = %(token_hash)s AND tokens.expires_at > now()
    FOR UPDATE OF tokens
),
judged AS MATERIALIZED (
    SELECT
        presented.*,
        CASE
            WHEN revoked_at IS NOT NULL THEN 'revoked'
            WHEN replaced_at IS NULL THEN 'rotated'
            WHEN replaced_at > now() - make_interval(secs => %(grace_seconds)s) THEN 'replaced'
            ELSE 'reused'
        END AS outcome
    FROM presented
),
replaced AS (
    UPDATE refresh_tokens
    SET replaced_at = now(), successor_hash = %(successor_hash)s
    FROM judged
    WHERE judged.outcome = 'rotated' AND refresh_tokens.token_hash = judged.token_hash
),
issued AS (
    INSERT INTO refresh_tokens (token_hash, family_id, expires_at)
    SELECT %(successor_hash)s, family_id, now() + make_interval(secs => %(lifetime_seconds)s)
    FROM judged
    WHERE outcome = 'rotated'
),
revoked AS (
    UPDATE refresh_families
    SET revoked_at = now()
    FROM judged
    WHERE judged.outcome = 'reused' AND refresh_families.family_id = judged.family_id
),
chain AS (
    SELECT successor_hash AS token_hash, 1 AS position
    FROM judged
    WHERE outcome = 'replaced'
    UNION ALL
    SELECT tokens.successor_hash, chain.position + 1
    FROM chain
    JOIN refresh_tokens AS tokens ON tokens.token_hash = chain.token_hash
    WHERE tokens.replaced_at IS NOT NULL
)
SELECT
    judged.outcome,
    judged.family_id::text,
    judged.user_id::text,
    users.username,
    (SELECT array_agg(token_hash ORDER BY position) FROM chain) AS successors
FROM judged
JOIN users ON users.user_id = judged.user_id

-- revoke_family: ends the family of a token
UPDATE refresh_families
SET revoked_at = now()
WHERE family_id = (SELECT family_id FROM refresh_tokens WHERE token_hash = %(token_hash)s) AND revoked_at IS NULL
RETURNING family_id::text, user_id::text

-- revoke_families: ends all families of a user
UPDATE refresh_families
SET revoked_at = now()
WHERE user_id = %(user_id)s::uuid AND revoked_at IS NULL
RETURNING family_id::text

-- set_password: changes a password and ends all families of its user
-- Two statements in one text are one transaction. Two, because the second one's snapshot must hold the
-- families of log-ins that the first one waited for (open_family).
UPDATE users
SET password_hash = %(password_hash)s, updated_at = now()
WHERE user_id = %(user_id)s::uuid;
UPDATE refresh_families
SET revoked_at = now()
WHERE user_id = %(user_id)s::uuid AND revoked_at IS NULL
RETURNING family_id::text

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
