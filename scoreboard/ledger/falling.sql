-- The statements of the door through which scores fall, and of what is counted anew.

-- hold_falls: waits for the fall that is under way, and keeps others out for as long as the session has the lock
SET idle_session_timeout = '10s';
-- PostgreSQL ends the session of somebody whose machine is gone without a word: else nobody could fall for hours.
SELECT pg_advisory_lock({falls_lock})

-- leave_falls: lets the next fall begin
SET idle_session_timeout = DEFAULT;
SELECT pg_advisory_unlock_all()

-- begin_change: waits for a turn of seasons that is under way, and keeps the next one out; grants go on
SET LOCAL lock_timeout = '2s';
-- A turn that queues behind us stops grants, so we wait for nobody for long.
SELECT pg_advisory_xact_lock_shared({seasons_lock})

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

-- hold_boards: locks these boards in the order in which everybody does; says whether each has no last score since then
SELECT board_id, coalesce(falling_at = %(falling_at)s AND tenth_score IS NULL, FALSE)
FROM boards
WHERE board_id = ANY (%(board_ids)s)
ORDER BY board_id
FOR UPDATE

-- let_fall: forgets the last scores of these boards: whoever reads them from now on takes a turn at each of them
UPDATE boards
SET falling_at = statement_timestamp(), tenth_score = NULL
WHERE board_id = ANY (%(board_ids)s)
RETURNING falling_at

-- grants_under_way: the transactions that hold the lock which grants share
SELECT virtualtransaction
FROM pg_locks
WHERE locktype = 'advisory'
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND classid = ({seasons_lock} >> 32)::oid
AND objid = ({seasons_lock} & 4294967295)::oid
AND objsubid = 1
AND mode = 'ShareLock'
AND granted

-- end_fall: forgets that scores of these boards fall; their last scores are read by whoever renews them next
UPDATE boards SET falling_at = NULL WHERE board_id = ANY (%(board_ids)s)

-- give_up_fall: the same where nothing fell, with the last scores of now
UPDATE boards
SET falling_at = NULL, tenth_score = {last_score}
WHERE board_id = ANY (%(board_ids)s) AND falling_at = %(falling_at)s

-- hold_users: locks these users: no grant to one of them is under way, and none begins
SELECT user_id::text FROM users WHERE user_id = ANY (%(user_ids)s::uuid[]) ORDER BY user_id FOR UPDATE

-- delete_users: removes users with scores, ledger rows and all else
DELETE FROM users WHERE user_id = ANY (%(user_ids)s::uuid[]) RETURNING user_id::text

-- correct_scores: sets the scores of these users, who are held, to what they are to be; counts those that were wrong
-- What was granted to them is committed and seen here, because the statement begins after they were held.
WITH derived AS MATERIALIZED (
    SELECT derived.*, {is_hidden} AS hidden
    FROM boards
    JOIN seasons ON seasons.season_id = boards.season_id
    CROSS JOIN LATERAL {derived} AS derived
    JOIN users ON users.user_id = derived.user_id
    WHERE boards.board_id = 'main' AND derived.user_id = ANY (%(user_ids)s::uuid[])
),
removed AS (
    DELETE FROM scores
    WHERE user_id = ANY (%(user_ids)s::uuid[])
    AND NOT EXISTS (SELECT FROM derived WHERE derived.user_id = scores.user_id)
    RETURNING user_id
),
corrected AS (
    INSERT INTO scores AS present (user_id, score, updated_at, hidden)
    SELECT user_id, score, updated_at, hidden FROM derived
    ON CONFLICT (user_id) DO UPDATE
    SET
        score = excluded.score,
        updated_at = CASE WHEN present.score = excluded.score THEN present.updated_at ELSE excluded.updated_at END,
        hidden = excluded.hidden
    WHERE (present.score, present.hidden) <> (excluded.score, excluded.hidden)
    RETURNING user_id
)
SELECT (SELECT count(*) FROM removed) + (SELECT count(*) FROM corrected)

-- correct_entries: sets the entries of these users in these seasons to what they are to be; counts those that were wrong
WITH derived AS MATERIALIZED (
    SELECT derived.*, {is_hidden} AS hidden
    FROM seasons
    JOIN boards ON boards.board_id = seasons.board_id
    CROSS JOIN LATERAL {derived} AS derived
    JOIN users ON users.user_id = derived.user_id
    WHERE seasons.season_id = ANY (%(season_ids)s)
    AND seasons.starts_at <= {last_granted}
    AND derived.user_id = ANY (%(user_ids)s::uuid[])
),
removed AS (
    DELETE FROM season_entries
    WHERE season_id = ANY (%(season_ids)s)
    AND user_id = ANY (%(user_ids)s::uuid[])
    AND NOT EXISTS (
        SELECT
        FROM derived
        WHERE derived.season_id = season_entries.season_id AND derived.user_id = season_entries.user_id
    )
    RETURNING user_id
),
corrected AS (
    INSERT INTO season_entries AS present (season_id, user_id, score, updated_at, hidden)
    SELECT season_id, user_id, score, updated_at, hidden FROM derived ORDER BY season_id, user_id
    ON CONFLICT (user_id, season_id) DO UPDATE
    SET score = excluded.score, updated_at = excluded.updated_at, hidden = excluded.hidden
    WHERE (present.score, present.updated_at, present.hidden) <> (excluded.score, excluded.updated_at, excluded.hidden)
    RETURNING user_id
)
SELECT (SELECT count(*) FROM removed) + (SELECT count(*) FROM corrected)

-- wrong_scores: the users whose score on `main` differs from what it is to be, in one snapshot
SELECT coalesce(scores.user_id, derived.user_id)::text
{wrong_of_scores}
ORDER BY 1

-- wrong_entries: the users whose entries differ, in the seasons of a board that are not final; and the seasons
SELECT coalesce(present.user_id, derived.user_id)::text, array_agg(season_id ORDER BY season_id)
{wrong_of_entries}
GROUP BY 1
ORDER BY 1

-- numbers_of_ended: the numbers of those of these seasons that have ended
SELECT number FROM seasons WHERE season_id = ANY (%(season_ids)s::integer[]) AND state IN ('ended', 'final') ORDER BY number
