-- What the release that knows one board says to PostgreSQL of that board, and of nothing else. Its instances grant
-- beside ours while they are replaced, and after us if we are taken back. `{ranking}` and `{size}` are as ours.

-- grant: grants a batch in one statement; a row for each submission says what became of it
EXECUTE grant_batch (%(user_ids)s::uuid[], %(action_ids)s::text[])

-- prepare_grant: what `grant` executes, planned once a connection and not once a batch
--
PREPARE grant_batch (uuid[], text[]) AS
WITH submitted AS MATERIALIZED (
    SELECT user_id, action_id
    FROM unnest($1, $2) AS submitted (user_id, action_id)
),
known AS MATERIALIZED (
    SELECT
        submitted.user_id,
        submitted.action_id,
        CASE WHEN actions.disabled_at IS NULL THEN actions.points END AS points,
        actions.action_id IS NOT NULL AS has_action,
        users.user_id IS NOT NULL AS has_user
    FROM submitted
    LEFT JOIN actions ON actions.action_id = submitted.action_id
    LEFT JOIN users ON users.user_id = submitted.user_id
),
near AS (
    SELECT *
    FROM (
        SELECT
            known.*,
            coalesce(scores.score, 0) AS score,
            sum(known.points) OVER (PARTITION BY known.user_id) AS sum
        FROM known
        LEFT JOIN scores ON scores.user_id = known.user_id
        WHERE known.has_user AND known.points IS NOT NULL
    ) AS reaching
    WHERE score + sum > 2147483647
    AND coalesce((SELECT max(score) FROM scores), 0) + (SELECT sum(points) FROM known) > 2147483647
),
too_much AS (
    SELECT user_id, action_id
    FROM (
        SELECT
            user_id,
            action_id,
            score + sum(points) OVER (PARTITION BY user_id ORDER BY points, action_id) AS reached
        FROM near
        WHERE NOT EXISTS (
            SELECT FROM ledger WHERE ledger.user_id = near.user_id AND ledger.action_id = near.action_id
        )
    ) AS reaching
    WHERE reached > 2147483647
),
judged AS MATERIALIZED (
    SELECT known.*, too_much.user_id IS NOT NULL AS is_too_much
    FROM known
    LEFT JOIN too_much USING (user_id, action_id)
),
granted AS (
    INSERT INTO ledger (user_id, action_id, points_granted, submitted_at)
    SELECT user_id, action_id, points, clock_timestamp()
    FROM judged
    WHERE has_user AND points IS NOT NULL AND NOT is_too_much
    ORDER BY user_id, action_id
    ON CONFLICT ON CONSTRAINT unique_user_action DO NOTHING
    RETURNING user_id, action_id, points_granted, submitted_at
),
raised AS (
    INSERT INTO scores AS present (user_id, score, updated_at)
    SELECT user_id, sum(points_granted), clock_timestamp()
    FROM granted
    GROUP BY user_id
    ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE
    SET score = present.score + excluded.score, updated_at = clock_timestamp()
    RETURNING user_id, score
)
SELECT
    judged.user_id::text,
    judged.action_id,
    judged.has_user,
    judged.has_action,
    judged.has_action AND judged.points IS NULL AS is_disabled,
    judged.is_too_much,
    granted.points_granted,
    granted.submitted_at,
    raised.score,
    board.version,
    coalesce(raised.score >= coalesce(board.tenth_score, 0), FALSE) AS reaches_board
FROM judged
LEFT JOIN granted USING (user_id, action_id)
LEFT JOIN raised ON raised.user_id = granted.user_id
CROSS JOIN board

-- raise_board: raises the version if one of these users is in the top 10 now; returns whether, and the board
SELECT version FROM board FOR UPDATE;
WITH top AS MATERIALIZED (
    SELECT ranked.user_id, ranked.score, ranked.updated_at
    FROM scores AS ranked
    ORDER BY {ranking}
    LIMIT {size}
),
raised AS (
    UPDATE board
    SET
        version = version + 1,
        tenth_score = (SELECT CASE WHEN count(*) = {size} THEN min(score) END FROM top),
        changed_at = clock_timestamp()
    WHERE EXISTS (SELECT FROM top WHERE top.user_id = ANY (%(user_ids)s::uuid[]))
    RETURNING version, changed_at
)
SELECT
    coalesce(raised.version, board.version),
    coalesce(raised.changed_at, board.changed_at),
    ranked.user_id::text,
    users.username,
    ranked.score,
    raised.version IS NOT NULL AS is_raised
FROM board
CROSS JOIN top AS ranked
LEFT JOIN raised ON TRUE
JOIN users ON users.user_id = ranked.user_id
ORDER BY {ranking}

-- read_board: reads version and entries of a board from one snapshot; no row if there is no such board
SELECT board.version, board.changed_at, ranked.user_id::text, users.username, ranked.score
FROM board
LEFT JOIN (
    SELECT * FROM scores AS ranked ORDER BY {ranking} LIMIT {size}
) AS ranked ON TRUE
LEFT JOIN users ON users.user_id = ranked.user_id
WHERE %(board_id)s = 'main'
ORDER BY {ranking}

-- lift_board: gives the board a version above one that was shown, unless it has one already
UPDATE board
SET version = %(above)s + 1, changed_at = clock_timestamp()
WHERE %(board_id)s = 'main' AND version <= %(above)s

-- read_version: reads the version of a board alone
SELECT version FROM board WHERE %(board_id)s = 'main'

-- lock_scores: keeps every grant out until the end of the transaction, and waits for those under way
SET LOCAL lock_timeout = '2s';
LOCK TABLE ledger, scores IN SHARE ROW EXCLUSIVE MODE

-- renew_board: gives the board a version above every copy's and the tenth score of today
UPDATE board
SET
    version = 1 + greatest(
        CASE WHEN board.version - played.version > %(leap)s THEN played.version ELSE board.version END,
        %(above)s
    ),
    tenth_score = (SELECT ranked.score FROM scores AS ranked ORDER BY {ranking} OFFSET {size} - 1 LIMIT 1),
    changed_at = clock_timestamp()
FROM (SELECT coalesce(max(ledger_id), 0) + 1 AS version FROM ledger) AS played

-- compare_tenth: reads the tenth score as kept and as it is
SELECT
    board.tenth_score,
    (SELECT ranked.score FROM scores AS ranked ORDER BY {ranking} OFFSET {size} - 1 LIMIT 1)
FROM board
