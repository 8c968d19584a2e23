-- What is kept of one user. `read_kept_account` has one row; all others read a page, in the order of their first column, from
-- behind one value of it. Their other columns are the members of a section (`export`). Who did something to the user is
-- not among them, because that is somebody else's.

-- find_owner: finds what decides on who may ask for a user's data
SELECT coalesce(source, ''), password_hash <> %(no_password)s FROM users WHERE user_id = %(user_id)s::uuid

-- read_kept_account: reads what is kept of a user once
SELECT
    users.user_id::text,
    username,
    coalesce(email_given, email),
    password_hash <> %(no_password)s,
    source,
    created_at,
    users.updated_at,
    hidden_at,
    banned_at,
    coalesce(score, 0),
    scores.updated_at,
    to_timestamp(revocations.reading / 1000.0)
FROM users
LEFT JOIN scores ON scores.user_id = users.user_id
LEFT JOIN revocations ON revocations.user_id = users.user_id
WHERE users.user_id = %(user_id)s::uuid

-- read_kept_grants: reads grants
SELECT action_id, action_id, points_granted, submitted_at
FROM ledger
WHERE user_id = %(user_id)s::uuid AND action_id > %(after)s
ORDER BY action_id
LIMIT %(limit)s

-- read_kept_results: reads results
SELECT
    result_id,
    source,
    receipt,
    results.board_id,
    number,
    value,
    played_at,
    recorded_at
FROM results
JOIN seasons ON seasons.season_id = results.season_id
WHERE results.user_id = %(user_id)s::uuid AND result_id > %(after)s::bigint
ORDER BY result_id
LIMIT %(limit)s

-- read_kept_entries: reads entries of seasons
SELECT
    season_entries.season_id,
    board_id,
    number,
    score,
    season_entries.updated_at,
    hidden
FROM season_entries
JOIN seasons ON seasons.season_id = season_entries.season_id
WHERE user_id = %(user_id)s::uuid AND season_entries.season_id > %(after)s::bigint
ORDER BY season_entries.season_id
LIMIT %(limit)s

-- read_kept_lines: reads the lines of final boards
SELECT
    season_id,
    board_id,
    number,
    place,
    (line ->> 'score')::bigint,
    line ->> 'username',
    line ->> 'reachedAt'
FROM seasons
CROSS JOIN LATERAL jsonb_array_elements(final) WITH ORDINALITY AS lines (line, place)
WHERE final @> jsonb_build_array(jsonb_build_object('userId', %(user_id)s::text))
    AND line ->> 'userId' = %(user_id)s
    AND season_id > %(after)s::bigint
ORDER BY season_id
LIMIT %(limit)s

-- read_kept_corrections: reads corrections, each with its reason
SELECT
    correction_id,
    seasons.board_id,
    number,
    corrections.points,
    action_id,
    receipt,
    at,
    reason
FROM corrections
JOIN seasons ON seasons.season_id = corrections.season_id
JOIN audit ON audit.audit_id = corrections.audit_id
LEFT JOIN ledger ON ledger.ledger_id = corrections.ledger_id
LEFT JOIN results ON results.result_id = corrections.result_id
WHERE corrections.user_id = %(user_id)s::uuid AND correction_id > %(after)s::bigint
ORDER BY correction_id
LIMIT %(limit)s

-- read_kept_acts: reads what was done to a user, and why; not by whom
SELECT
    audit.audit_id,
    audit.audit_id,
    at,
    act,
    board_id,
    season,
    details,
    reason,
    before,
    after
FROM audit
LEFT JOIN audit_names ON audit_names.audit_id = audit.audit_id
WHERE audit.user_id = %(user_id)s::uuid AND audit.audit_id > %(after)s::bigint
ORDER BY audit.audit_id
LIMIT %(limit)s

-- read_kept_log_ins: reads log-ins that can still be refreshed, without their tokens
SELECT
    family_id::text,
    created_at,
    (
        SELECT max(expires_at) FROM refresh_tokens WHERE refresh_tokens.family_id = refresh_families.family_id
    )
FROM refresh_families
WHERE user_id = %(user_id)s::uuid AND family_id > %(after)s::uuid
ORDER BY family_id
LIMIT %(limit)s

-- read_kept_invitations: reads the invitation that a user registered with
SELECT invitation_id, note, created_at, used_at
FROM invitations
WHERE user_id = %(user_id)s::uuid AND invitation_id > %(after)s::bigint
ORDER BY invitation_id
LIMIT %(limit)s

-- read_kept_follows: reads whom a user follows, without their names, which are theirs
SELECT followed_id::text, followed_id::text, followed_at
FROM follows
WHERE user_id = %(user_id)s::uuid AND followed_id > %(after)s::uuid
ORDER BY followed_id
LIMIT %(limit)s
