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

-- {is_counted}: whether the row of `ledger` counts in the row of `seasons`, which is of the row of `boards`
ledger.submitted_at >= seasons.starts_at
AND ledger.submitted_at < coalesce(seasons.ends_at, 'infinity')
AND (
    boards.counts = 'every'
    OR boards.counts = 'listed' AND EXISTS (
        SELECT
        FROM board_actions
        WHERE board_actions.board_id = boards.board_id AND board_actions.action_id = ledger.action_id
    )
)

-- {values}: what counts in the row of `seasons` and was not revoked, value by value, as it is kept
(
    SELECT
        ledger.user_id,
        ledger.submitted_at AS reached_at,
        {kept_value} AS value
    FROM ledger
    WHERE {is_counted}
    AND NOT EXISTS (SELECT FROM corrections WHERE corrections.ledger_id = ledger.ledger_id)
    UNION ALL
    SELECT
        results.user_id,
        results.played_at,
        CASE boards.direction WHEN 'low' THEN -results.value ELSE results.value END
    FROM results
    WHERE results.season_id = seasons.season_id
    AND NOT EXISTS (SELECT FROM corrections WHERE corrections.result_id = results.result_id)
)

-- {derived}: the entries of the row of `seasons`, which is of the row of `boards`: what every score is made of
-- It is the sum, or the best, of what was granted and recorded and not revoked, and the corrections that revoke nothing.
-- Where values add up, each that was revoked has a correction of minus its points, so the sum of all three is the same.
-- `main` is a season like any other here. Whoever wants some users alone says so of `derived.user_id`: PostgreSQL takes
-- that down to each index.
(
    SELECT
        seasons.season_id,
        counted.user_id,
        sum(counted.value)::bigint AS score,
        max(counted.reached_at) AS updated_at
    FROM (
        SELECT user_id, reached_at, value FROM {values} AS added WHERE boards.operator = 'sum'
        UNION ALL
        (
            SELECT DISTINCT ON (user_id) user_id, reached_at, value
            FROM {values} AS best
            WHERE boards.operator = 'best'
            ORDER BY user_id, value DESC, reached_at
        )
        UNION ALL
        SELECT
            corrections.user_id,
            corrections.made_at,
            CASE boards.direction WHEN 'low' THEN -corrections.points ELSE corrections.points END
        FROM corrections
        WHERE corrections.season_id = seasons.season_id AND num_nonnulls(corrections.ledger_id, corrections.result_id) = 0
    ) AS counted
    GROUP BY counted.user_id
)

-- {is_hidden}: whether the row of `users` is shown nowhere in the row of `seasons`; a null one is a season to come
-- Whoever was left what an erased user had keeps the lines of seasons that had ended, unless they were hidden before.
(
    coalesce(least(users.hidden_at, users.banned_at) < coalesce(users.erased_at, 'infinity'), FALSE)
    OR coalesce(users.erased_at < coalesce(seasons.ends_at, 'infinity'), FALSE)
)

-- {derived_of_board}: the entries of a board's seasons that are not final, as they are to be
-- The entries of a final season may be kept no more. Of a thousand seasons to come none reads the ledger.
SELECT derived.*, {is_hidden} AS hidden
FROM boards
JOIN seasons ON seasons.board_id = boards.board_id
CROSS JOIN LATERAL {derived} AS derived
JOIN users ON users.user_id = derived.user_id
WHERE boards.board_id = %(board_id)s
AND seasons.state IN ('upcoming', 'running', 'ended')
AND seasons.starts_at <= {last_granted}

-- {wrong_of_scores}: the scores on `main` that differ from what they are to be, in one snapshot
FROM scores
FULL JOIN (
    {derived_of_board}
) AS derived USING (user_id)
WHERE (scores.score, scores.hidden) IS DISTINCT FROM (derived.score, derived.hidden)

-- {wrong_of_entries}: the entries that differ, in the seasons of a board that are not final, in one snapshot
FROM (
    SELECT season_entries.*
    FROM season_entries
    JOIN seasons USING (season_id)
    WHERE seasons.board_id = %(board_id)s AND seasons.state IN ('upcoming', 'running', 'ended')
) AS present
FULL JOIN (
    {derived_of_board}
) AS derived USING (season_id, user_id)
WHERE (present.score, present.updated_at, present.hidden)
    IS DISTINCT FROM (derived.score, derived.updated_at, derived.hidden)

-- compare_entries: counts the entries of a board's seasons that differ from what they are to be, with examples
SELECT
    count(*) OVER (),
    coalesce(present.user_id, derived.user_id)::text,
    present.score,
    derived.score,
    present.hidden,
    derived.hidden
{wrong_of_entries}
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
