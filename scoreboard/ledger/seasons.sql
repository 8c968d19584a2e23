-- The statements of the turn of seasons.

-- lock_seasons: keeps grants out, and waits for those under way, until seasons have turned
SET LOCAL lock_timeout = '2s';
SELECT pg_advisory_xact_lock({seasons_lock})

-- join_grants: waits for a turn of seasons that is under way, and keeps the next one out, as grants do
SELECT pg_advisory_xact_lock_shared({seasons_lock})

-- read_clock: the moment, which never falls behind a season that has ended
SELECT {moment}

-- boards_to_write: the boards whose next season is not written yet, and where the last one ends
SELECT boards.board_id, boards.period, boards.zone, last.number, last.ends_at
FROM boards
JOIN LATERAL (
    SELECT number, starts_at, ends_at
    FROM seasons
    WHERE seasons.board_id = boards.board_id
    ORDER BY number DESC
    LIMIT 1
) AS last ON TRUE
WHERE boards.written_until IS NOT NULL AND last.starts_at <= %(moment)s

-- write_seasons: writes seasons ahead of time, each board's one after the other
WITH written AS (
    SELECT *
    FROM unnest(
        %(board_ids)s::text[], %(numbers)s::integer[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]
    ) AS written (board_id, number, starts_at, ends_at)
),
added AS (
    INSERT INTO seasons (board_id, number, previous_ends_at, starts_at, ends_at, closes_at)
    SELECT
        written.board_id,
        written.number,
        coalesce(
            lag(written.ends_at) OVER (PARTITION BY written.board_id ORDER BY written.number),
            (
                SELECT seasons.ends_at
                FROM seasons
                WHERE seasons.board_id = written.board_id AND seasons.number = written.number - 1
            )
        ),
        written.starts_at,
        written.ends_at,
        written.ends_at + make_interval(secs => boards.grace_seconds)
    FROM written
    JOIN boards ON boards.board_id = written.board_id
    ORDER BY written.board_id, written.number
)
UPDATE boards
SET written_until = last.ends_at
FROM (SELECT board_id, max(ends_at) AS ends_at FROM written GROUP BY board_id) AS last
WHERE boards.board_id = last.board_id AND boards.written_until IS NOT NULL

-- begin_and_end_seasons: lets every season begin, and end, that is due at this moment; names the boards that change
UPDATE seasons
SET state = CASE WHEN ends_at <= %(moment)s THEN 'ended' ELSE 'running' END
WHERE state IN ('upcoming', 'running')
AND CASE state WHEN 'upcoming' THEN starts_at ELSE ends_at END <= %(moment)s
RETURNING board_id

-- show_seasons: shows, on each of these boards, the season that began last
UPDATE boards
SET season_id = (
    SELECT seasons.season_id
    FROM seasons
    WHERE seasons.board_id = boards.board_id AND seasons.state <> 'upcoming'
    ORDER BY seasons.number DESC
    LIMIT 1
)
WHERE board_id = ANY (%(board_ids)s)

-- {derived}: the entries of the row of `seasons` as the ledger says
(
    SELECT
        seasons.season_id,
        counted.user_id,
        CASE boards.operator WHEN 'sum' THEN sum(counted.value) ELSE max(counted.value) END::bigint AS score,
        CASE boards.operator
            WHEN 'sum' THEN max(counted.submitted_at)
            ELSE min(counted.submitted_at) FILTER (WHERE counted.value = counted.best)
        END AS updated_at
    FROM (
        SELECT valued.*, max(valued.value) OVER (PARTITION BY valued.user_id) AS best
        FROM (
            SELECT
                ledger.user_id,
                ledger.submitted_at,
                {kept_value} AS value
            FROM ledger
            WHERE ledger.submitted_at >= seasons.starts_at
            AND coalesce(ledger.submitted_at < seasons.ends_at, TRUE)
            AND (
                boards.counts = 'every'
                OR boards.counts = 'listed' AND EXISTS (
                    SELECT
                    FROM board_actions
                    WHERE board_actions.board_id = boards.board_id AND board_actions.action_id = ledger.action_id
                )
            )
        ) AS valued
    ) AS counted
    GROUP BY counted.user_id
)

-- {derived_of_board}: the entries of a board's seasons that are not final, as the ledger says
-- The entries of a final season may be kept no more. Of a thousand seasons to come none reads the ledger.
SELECT derived.*
FROM boards
JOIN seasons ON seasons.board_id = boards.board_id
CROSS JOIN LATERAL {derived} AS derived
WHERE boards.board_id = %(board_id)s
AND seasons.state IN ('upcoming', 'running', 'ended')
AND seasons.starts_at <= {last_granted}

-- correct_entries: sets every entry of a board's seasons that differs from its ledger rows, and counts them
WITH derived AS MATERIALIZED (
    {derived_of_board}
),
removed AS (
    DELETE FROM season_entries
    USING seasons
    WHERE seasons.season_id = season_entries.season_id
    AND seasons.board_id = %(board_id)s
    AND seasons.state IN ('upcoming', 'running', 'ended')
    AND NOT EXISTS (
        SELECT
        FROM derived
        WHERE derived.season_id = season_entries.season_id AND derived.user_id = season_entries.user_id
    )
    RETURNING season_entries.user_id
),
corrected AS (
    INSERT INTO season_entries AS present (season_id, user_id, score, updated_at)
    SELECT season_id, user_id, score, updated_at FROM derived
    ON CONFLICT (user_id, season_id) DO UPDATE
    SET score = excluded.score, updated_at = excluded.updated_at
    WHERE (present.score, present.updated_at) <> (excluded.score, excluded.updated_at)
    RETURNING user_id
)
SELECT (SELECT count(*) FROM removed) + (SELECT count(*) FROM corrected)

-- compare_entries: counts the entries of a board's seasons that differ from its ledger rows, with examples
SELECT count(*) OVER (), coalesce(present.user_id, derived.user_id)::text, present.score, derived.score
FROM (
    SELECT season_entries.*
    FROM season_entries
    JOIN seasons USING (season_id)
    WHERE seasons.board_id = %(board_id)s AND seasons.state IN ('upcoming', 'running', 'ended')
) AS present
FULL JOIN (
    {derived_of_board}
) AS derived USING (season_id, user_id)
WHERE (present.score, present.updated_at) IS DISTINCT FROM (derived.score, derived.updated_at)
ORDER BY 2
LIMIT 20

-- read_definitions: reads what operators said of every board, the season that it shows, and how it is
-- They come in the order of the list of boards, whatever the locale of the database.
SELECT
    boards.board_id,
    {definition},
    (
        SELECT coalesce(array_agg(board_actions.action_id::text ORDER BY board_actions.action_id), '{}')
        FROM board_actions
        WHERE board_actions.board_id = boards.board_id
    ) AS actions,
    boards.created_at,
    boards.defined_at,
    boards.closed_at,
    {season}
FROM boards
LEFT JOIN seasons ON seasons.season_id = boards.season_id
ORDER BY boards.board_id <> 'main', boards.board_id COLLATE "C"

-- read_seasons: reads the seasons of a board below a number, the newest first; one row at least if there is the board
SELECT {season}, seasons.digest
FROM boards
LEFT JOIN LATERAL (
    SELECT *
    FROM seasons
    WHERE seasons.board_id = boards.board_id AND coalesce(seasons.number < %(below)s, TRUE)
    ORDER BY seasons.number DESC
    LIMIT %(limit)s
) AS seasons ON TRUE
WHERE boards.board_id = %(board_id)s
ORDER BY seasons.number DESC

-- read_season: reads a season, with the entries and the digest that were kept at its end
SELECT {season}, closes_at, final::text, digest
FROM seasons
WHERE board_id = %(board_id)s AND number = %(number)s
