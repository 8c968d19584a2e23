-- The statements of the ledger. `{ranking}` and `{size}` stand in `queries.py`: the ranking rule, over whatever is
-- called `ranked`, and how many entries a board has.

-- grant: grants a batch in one statement; a row for each submission says what became of it
EXECUTE grant_batch (%(user_ids)s::uuid[], %(action_ids)s::text[])

-- prepare_grant: what `grant` executes, planned once a connection and not once a batch
-- Rows are locked in one fixed order (ledger by user and action, then scores by user, then the board), so
-- that batches of several instances cannot deadlock. A concurrent grant of the same pair makes the insert
-- wait and then do nothing. updated_at is read after the row's lock is held: it is when the score was reached.
--
-- Whoever would pass the largest score is refused alone (`too_much`). Of one user's submissions the smallest
-- come first, so none is refused that fits beside those that are granted. What was granted before adds nothing. All
-- that is skipped unless the highest score of all comes near. It reads scores that it has not locked: a grant that is
-- under way elsewhere can still make `raised` fail (22003), and then the batch is halved. A disabled action is worth
-- nothing here; whether it was granted before is asked by `original_grants`.
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

-- original_grants: finds what was granted before, for the refusals
SELECT ledger.user_id::text, ledger.action_id, ledger.points_granted, ledger.submitted_at
FROM unnest(%(user_ids)s::uuid[], %(action_ids)s::text[]) AS refused (user_id, action_id)
JOIN ledger USING (user_id, action_id)

-- owners_of_ids: finds the action that each of these ids belongs to now, as a former id or as its own, which counts
-- A rename that was undone since may have made it its own again.
SELECT former_id, action_id FROM former_action_ids WHERE former_id = ANY (%(action_ids)s::text[])
UNION ALL
SELECT action_id, action_id FROM actions WHERE action_id = ANY (%(action_ids)s::text[])

-- locked_users: names those of these users whose rows somebody else holds, without waiting for them
WITH asked AS MATERIALIZED (
    SELECT DISTINCT user_id FROM unnest(%(user_ids)s::uuid[]) AS asked (user_id)
),
free_users AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id IN (SELECT user_id FROM asked) FOR KEY SHARE SKIP LOCKED
),
free_scores AS MATERIALIZED (
    SELECT user_id FROM scores WHERE user_id IN (SELECT user_id FROM asked) FOR NO KEY UPDATE SKIP LOCKED
)
SELECT user_id::text
FROM asked
JOIN users USING (user_id)
LEFT JOIN scores USING (user_id)
WHERE user_id NOT IN (SELECT user_id FROM free_users)
OR scores.user_id IS NOT NULL AND user_id NOT IN (SELECT user_id FROM free_scores)

-- raise_board: raises the version if one of these users is in the top 10 now; returns whether, and the board
-- The first statement makes the transactions that reach the board take turns; the second one's snapshot is
-- taken after that, so it holds all that was committed under a lower version.
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
-- One statement, so it waits for the row like everybody who raises it, and looks again once it has it.
UPDATE board
SET version = %(above)s + 1, changed_at = clock_timestamp()
WHERE %(board_id)s = 'main' AND version <= %(above)s

-- read_version: reads the version of a board alone
SELECT version FROM board WHERE %(board_id)s = 'main'

-- lock_scores: keeps every grant out until the end of the transaction, and waits for those under way
-- The stale tenth score that `grant` compares with is safe only while scores rise. Whoever queues for this lock stops
-- every grant that comes after, so it does not queue for long.
SET LOCAL lock_timeout = '2s';
LOCK TABLE ledger, scores IN SHARE ROW EXCLUSIVE MODE

-- correct_scores: sets every score that differs from the sum of its ledger rows, and counts them
WITH sums AS (
    SELECT user_id, sum(points_granted)::integer AS score, max(submitted_at) AS reached_at
    FROM ledger
    GROUP BY user_id
),
removed AS (
    DELETE FROM scores WHERE NOT EXISTS (SELECT FROM sums WHERE sums.user_id = scores.user_id)
    RETURNING user_id
),
corrected AS (
    INSERT INTO scores AS present (user_id, score, updated_at)
    SELECT user_id, score, reached_at FROM sums
    ON CONFLICT (user_id) DO UPDATE SET score = excluded.score, updated_at = excluded.updated_at
    WHERE present.score <> excluded.score
    RETURNING user_id
)
SELECT (SELECT count(*) FROM removed) + (SELECT count(*) FROM corrected)

-- renew_board: gives the board a version above every copy's and the tenth score of today
-- A version that leapt by more than `leap` comes down first (null: none does), to what play could have reached: a
-- change of the board takes a row of the ledger at least, so what was shown before the leap is hardly higher.
UPDATE board
SET
    version = 1 + greatest(
        CASE WHEN board.version - played.version > %(leap)s THEN played.version ELSE board.version END,
        %(above)s
    ),
    tenth_score = (SELECT ranked.score FROM scores AS ranked ORDER BY {ranking} OFFSET {size} - 1 LIMIT 1),
    changed_at = clock_timestamp()
FROM (SELECT coalesce(max(ledger_id), 0) + 1 AS version FROM ledger) AS played

-- rename_user: gives a user another name
UPDATE users
SET username = %(username)s, username_key = %(username_key)s, updated_at = now()
WHERE user_id = %(user_id)s::uuid
RETURNING user_id::text

-- delete_users: removes users with scores and ledger rows
DELETE FROM users WHERE user_id = ANY (%(user_ids)s::uuid[]) RETURNING user_id::text

-- compare_scores: counts the users whose score differs from the sum of their ledger rows, with examples
SELECT count(*) OVER (), coalesce(scores.user_id, sums.user_id)::text, scores.score, sums.score
FROM scores
FULL JOIN (SELECT user_id, sum(points_granted) AS score FROM ledger GROUP BY user_id) AS sums USING (user_id)
WHERE scores.score IS DISTINCT FROM sums.score
ORDER BY 2
LIMIT 20

-- compare_tenth: reads the tenth score as kept and as it is
SELECT
    board.tenth_score,
    (SELECT ranked.score FROM scores AS ranked ORDER BY {ranking} OFFSET {size} - 1 LIMIT 1)
FROM board

-- hold_action: holds an action for a rename, and says how it is; no row if there is none
-- The table's lock keeps out who loads or renames, and no grant. The row's lock waits for grants of this action that
-- are under way, because a ledger row that is not committed could not be moved. Those that come later wait at the
-- ledger's key until the end, and find the action gone.
SET LOCAL lock_timeout = '2s';
LOCK TABLE actions IN SHARE ROW EXCLUSIVE MODE;
SELECT points FROM actions WHERE action_id = %(action_id)s FOR UPDATE

-- give_action_id: adds the action under its new id, moves its ledger rows and former ids there; counts the rows
INSERT INTO actions (action_id, points, created_at, disabled_at)
SELECT %(new_id)s, points, created_at, disabled_at FROM actions WHERE action_id = %(action_id)s;
DELETE FROM former_action_ids WHERE former_id = %(new_id)s AND action_id = %(action_id)s;
UPDATE former_action_ids SET action_id = %(new_id)s WHERE action_id = %(action_id)s;
WITH moved AS (
    UPDATE ledger SET action_id = %(new_id)s WHERE action_id = %(action_id)s RETURNING ledger_id
)
SELECT count(*) FROM moved

-- leave_action_id: removes the action under the id that it had, and keeps that id as a former one
-- An earlier release may have loaded the action under another's former id, which has meant this action since.
DELETE FROM actions WHERE action_id = %(action_id)s;
INSERT INTO former_action_ids (former_id, action_id) VALUES (%(action_id)s, %(new_id)s)
ON CONFLICT (former_id) DO UPDATE SET action_id = excluded.action_id, renamed_at = now()
