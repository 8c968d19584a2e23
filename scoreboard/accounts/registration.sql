-- Who may register, and under which name: invitations and refused names.

-- {is_good}: whether an invitation can be used
used_at IS NULL AND revoked_at IS NULL AND expires_at > now()

-- find_invitation: has a row if this invitation can be used
SELECT 1 FROM invitations WHERE code_hash = %(code_hash)s AND {is_good}

-- register_invited: adds a user together with a first family, and uses an invitation up; no row if it cannot be used
-- One step, so that a failure leaves the invitation as it was. Of two who come with one code at the same moment the
-- second waits for the row, and then finds it used.
WITH invitation AS (
    UPDATE invitations
    SET used_at = now(), user_id = %(user_id)s::uuid
    WHERE code_hash = %(code_hash)s AND {is_good}
    RETURNING user_id
),
owner AS (
    INSERT INTO users (user_id, username, username_key, email, email_given, password_hash)
    SELECT user_id, %(username)s, %(username_key)s, %(email)s, %(email_given)s, %(password_hash)s
    FROM invitation
    RETURNING user_id, username, (SELECT reading FROM revocation_clock) AS reading
),
{begin_family}

-- add_invitations: adds an invitation for each hash
INSERT INTO invitations (code_hash, note, expires_at)
SELECT code_hash, %(note)s, now() + make_interval(days => %(days)s)
FROM unnest(%(code_hashes)s::bytea[]) AS code_hash
RETURNING invitation_id, code_hash, expires_at

-- list_invitations: reads invitations in the order in which they were made, from after one; of one state or all
SELECT invitation_id, state, note, created_at, expires_at, revoked_at, used_at, user_id
FROM (
    SELECT
        invitation_id, note, created_at, expires_at, revoked_at, used_at, user_id::text,
        CASE
            WHEN used_at IS NOT NULL THEN 'used'
            WHEN revoked_at IS NOT NULL THEN 'revoked'
            WHEN {is_good} THEN 'open'
            ELSE 'expired'
        END AS state
    FROM invitations
    WHERE invitation_id > %(after)s
) AS listed
WHERE coalesce(state = %(state)s, TRUE)
ORDER BY invitation_id
LIMIT %(limit)s

-- revoke_invitations: ends those of these invitations that can be used
UPDATE invitations
SET revoked_at = now()
WHERE invitation_id = ANY (%(invitation_ids)s::bigint[]) AND {is_good}
RETURNING invitation_id

-- read_refused_names: reads all patterns
SELECT pattern FROM refused_names

-- list_refused_names: reads patterns in their order, from after one, with notes
SELECT pattern, note, created_at
FROM refused_names
WHERE pattern > %(after)s
ORDER BY pattern
LIMIT %(limit)s

-- refuse_names: adds those of these patterns that are not there, unless there would be too many; counts both
-- Changes take turns, so that two together do not pass the limit.
SELECT FROM held_lists WHERE list = 'refused_names' FOR UPDATE;
WITH wanted AS MATERIALIZED (
    SELECT pattern, note
    FROM unnest(%(patterns)s::text[], %(notes)s::text[]) AS wanted (pattern, note)
    WHERE NOT EXISTS (SELECT FROM refused_names AS present WHERE present.pattern = wanted.pattern)
),
counted AS MATERIALIZED (
    SELECT (SELECT count(*) FROM wanted) AS missing, (SELECT count(*) FROM refused_names) AS present
),
added AS (
    INSERT INTO refused_names (pattern, note)
    SELECT wanted.pattern, wanted.note
    FROM wanted, counted
    WHERE counted.missing + counted.present <= %(patterns_max)s
    RETURNING pattern
)
SELECT counted.missing, (SELECT count(*) FROM added) FROM counted

-- allow_names: deletes these patterns
DELETE FROM refused_names WHERE pattern = ANY (%(patterns)s::text[]) RETURNING pattern
