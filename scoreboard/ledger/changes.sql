-- The statements of what operators change, and of what they compare.

-- lock_scores: keeps every grant out until the end of the transaction, and waits for those under way
-- The stale tenth score that `grant` compares with is safe only while scores rise. Whoever queues for this lock stops
-- every grant that comes after, so it does not queue for long. Instances of the release before know the tables alone.
SET LOCAL lock_timeout = '2s';
SELECT pg_advisory_xact_lock({seasons_lock});
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

-- boards_of_users: the boards on which one of these users may be now: `main`, and those of their entries
SELECT board_id
FROM boards
WHERE board_id = 'main'
OR EXISTS (
    SELECT
    FROM season_entries
    WHERE season_entries.user_id = ANY (%(user_ids)s::uuid[])
    AND season_entries.season_id = boards.season_id
    AND coalesce(season_entries.score >= boards.tenth_score, TRUE)
)

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

-- compare_last: reads the last score of each of these boards as kept and as it is
SELECT
    boards.board_id,
    boards.tenth_score,
    {last_score}
FROM boards
WHERE boards.board_id = ANY (%(board_ids)s)

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
UPDATE board_actions SET action_id = %(new_id)s WHERE action_id = %(action_id)s;
WITH moved AS (
    UPDATE ledger SET action_id = %(new_id)s WHERE action_id = %(action_id)s RETURNING ledger_id
)
SELECT count(*) FROM moved

-- leave_action_id: removes the action under the id that it had, and keeps that id as a former one
-- An earlier release may have loaded the action under another's former id, which has meant this action since.
DELETE FROM actions WHERE action_id = %(action_id)s;
INSERT INTO former_action_ids (former_id, action_id, renamed_at)
VALUES (%(action_id)s, %(new_id)s, clock_timestamp())
ON CONFLICT (former_id) DO UPDATE SET action_id = excluded.action_id, renamed_at = excluded.renamed_at
