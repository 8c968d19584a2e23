-- The statements of what operators say of boards, and of what they end.

-- lock_definitions: keeps out grants, turns of seasons, and whoever loads or renames actions
-- The table's lock comes first, because who holds it waits for grants of one action.
SET LOCAL lock_timeout = '2s';
LOCK TABLE actions IN SHARE ROW EXCLUSIVE MODE;
SELECT pg_advisory_xact_lock({seasons_lock})

-- find_listed_actions: finds the action that each of these ids means: its own in this or another spelling, or a former
SELECT DISTINCT ON (asked.action_id) asked.action_id, found.action_id
FROM unnest(%(action_ids)s::text[]) AS asked (action_id)
CROSS JOIN LATERAL (
    SELECT 1 AS place, action_id FROM actions WHERE actions.action_id = asked.action_id
    UNION ALL
    SELECT 2, action_id FROM actions WHERE actions.action_id = normalize(asked.action_id, NFC)
    UNION ALL
    SELECT 3, action_id
    FROM actions
    WHERE action_id IS NOT NFC NORMALIZED AND normalize(actions.action_id, NFC) = normalize(asked.action_id, NFC)
    UNION ALL
    SELECT 4, action_id
    FROM former_action_ids
    WHERE former_id IN (asked.action_id, normalize(asked.action_id, NFC))
    UNION ALL
    SELECT 5, action_id
    FROM former_action_ids
    WHERE former_id IS NOT NFC NORMALIZED AND normalize(former_id, NFC) = normalize(asked.action_id, NFC)
) AS found
ORDER BY asked.action_id, found.place, found.action_id COLLATE "C"

-- add_board: adds a board that shows nothing yet
-- Where seasons are written ahead, `write_seasons` says until when.
INSERT INTO boards (
    board_id,
    title,
    direction,
    operator,
    counts,
    size,
    period,
    zone,
    grace_seconds,
    visibility,
    keep_full_seconds,
    created_at,
    defined_at,
    written_until,
    version,
    changed_at
)
SELECT
    %(board_id)s,
    %(title)s,
    %(direction)s,
    %(operator)s,
    %(counts)s,
    %(size)s,
    %(period)s,
    %(zone)s,
    %(grace_seconds)s,
    %(visibility)s,
    %(keep_full_seconds)s,
    clock_timestamp(),
    clock_timestamp(),
    CASE WHEN %(period)s IN ('day', 'week', 'month') THEN %(moment)s::timestamptz END,
    1,
    clock_timestamp()

-- list_actions_of_board: lets these actions count on a board
INSERT INTO board_actions (board_id, action_id)
SELECT %(board_id)s, action_id FROM unnest(%(action_ids)s::text[]) AS listed (action_id)
ORDER BY action_id

-- change_board: changes what may change of a board, and when its seasons to come close
UPDATE seasons
SET closes_at = ends_at + make_interval(secs => %(grace_seconds)s)
WHERE board_id = %(board_id)s AND state = 'upcoming';
UPDATE boards
SET
    title = %(title)s,
    visibility = %(visibility)s,
    grace_seconds = %(grace_seconds)s,
    keep_full_seconds = %(keep_full_seconds)s,
    defined_at = greatest(clock_timestamp(), defined_at + interval '1 microsecond')
WHERE board_id = %(board_id)s

-- count_boards: counts all boards
SELECT count(*) FROM boards

-- crowded_actions: the actions that count on too many boards that run, `main` aside; null stands for every action
WITH open_boards AS MATERIALIZED (
    SELECT board_id, counts
    FROM boards
    WHERE board_id <> 'main'
    AND EXISTS (
        SELECT FROM seasons WHERE seasons.board_id = boards.board_id AND seasons.state IN ('upcoming', 'running')
    )
),
counting_every AS MATERIALIZED (
    SELECT count(*) AS boards FROM open_boards WHERE counts = 'every'
)
SELECT NULL AS action_id, boards FROM counting_every WHERE boards > %(most)s
UNION ALL
SELECT board_actions.action_id, counting_every.boards + count(*)
FROM open_boards
JOIN board_actions USING (board_id)
CROSS JOIN counting_every
WHERE counting_every.boards <= %(most)s
GROUP BY board_actions.action_id, counting_every.boards
HAVING counting_every.boards + count(*) > %(most)s
ORDER BY 1

-- dates_of_seasons: when the seasons of a board begin and end, and whether they are over
SELECT starts_at, ends_at, state IN ('ended', 'final')
FROM seasons
WHERE board_id = %(board_id)s
ORDER BY number

-- derive_entries: gives the seasons of new boards the entries that the ledger says
INSERT INTO season_entries (season_id, user_id, score, updated_at)
SELECT derived.season_id, derived.user_id, derived.score, derived.updated_at
FROM boards
JOIN seasons ON seasons.board_id = boards.board_id
CROSS JOIN LATERAL {derived} AS derived
WHERE boards.board_id = ANY (%(board_ids)s)

-- running_season: how a board is, and the season of it that is running; no row if there is no board
SELECT boards.period, boards.zone, boards.closed_at, seasons.season_id, seasons.number, seasons.starts_at
FROM boards
LEFT JOIN seasons ON seasons.board_id = boards.board_id AND seasons.state = 'running'
WHERE boards.board_id = %(board_id)s

-- read_end: the moment at which a season can end that shall end now: behind all that was granted
-- A clock that was set back may have granted later than now. The index by time has such rows at once.
SELECT greatest(
    moment,
    (SELECT max(submitted_at) + interval '1 microsecond' FROM ledger WHERE submitted_at >= moment)
)
FROM (SELECT {moment} + interval '1 microsecond' AS moment) AS now

-- forget_seasons_to_come: removes the seasons of a board that have not begun
DELETE FROM seasons WHERE board_id = %(board_id)s AND state = 'upcoming'

-- end_season: lets a season end at this moment; a next one that is written knows that
UPDATE seasons
SET
    ends_at = CASE WHEN seasons.number = running.number THEN %(moment)s::timestamptz ELSE seasons.ends_at END,
    closes_at = CASE
        WHEN seasons.number = running.number THEN %(moment)s::timestamptz + make_interval(secs => running.grace_seconds)
        ELSE seasons.closes_at
    END,
    previous_ends_at = CASE
        WHEN seasons.number = running.number THEN seasons.previous_ends_at ELSE %(moment)s::timestamptz
    END
FROM (
    SELECT seasons.board_id, seasons.number, boards.grace_seconds
    FROM seasons
    JOIN boards ON boards.board_id = seasons.board_id
    WHERE seasons.season_id = %(season_id)s
) AS running
WHERE seasons.board_id = running.board_id AND seasons.number IN (running.number, running.number + 1)

-- close_board: lets a board count nothing any more
UPDATE boards
SET
    closed_at = clock_timestamp(),
    written_until = NULL,
    defined_at = greatest(clock_timestamp(), defined_at + interval '1 microsecond')
WHERE board_id = %(board_id)s

-- derive_final: the last entries of a season that has ended, as its ledger rows say, as `final` keeps them
SELECT
    ranked.user_id::text,
    {shown_score},
    ranked.updated_at
FROM boards
JOIN seasons ON seasons.board_id = boards.board_id
CROSS JOIN LATERAL {derived} AS ranked
WHERE boards.board_id = %(board_id)s AND seasons.number = %(number)s
ORDER BY {ranking}
LIMIT (SELECT size FROM boards WHERE boards.board_id = %(board_id)s)

-- users_among: those of these users that there are
SELECT user_id::text FROM users WHERE user_id = ANY (%(user_ids)s::uuid[])

-- purge_entries: removes entries of seasons whose time to keep all of them is over, and counts them
WITH over AS (
    SELECT season_entries.user_id, season_entries.season_id
    FROM seasons
    JOIN boards ON boards.board_id = seasons.board_id
    JOIN season_entries ON season_entries.season_id = seasons.season_id
    WHERE seasons.state = 'final'
    AND seasons.closes_at + make_interval(secs => boards.keep_full_seconds) <= clock_timestamp()
    AND boards.season_id <> seasons.season_id
    LIMIT %(limit)s
),
purged AS (
    DELETE FROM season_entries
    USING over
    WHERE season_entries.user_id = over.user_id AND season_entries.season_id = over.season_id
    RETURNING season_entries.user_id
)
SELECT count(*) FROM purged
