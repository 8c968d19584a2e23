-- What the release 0.1.0 says to PostgreSQL of refresh tokens. Its instances serve beside ours while they are
-- replaced, and after us if we are taken back.

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
