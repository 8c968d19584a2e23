-- The statements of what operators say of boards, and of what they end.

-- hold_definitions: keeps out whoever else defines boards, and whoever loads or renames actions, but no grant
SET LOCAL lock_timeout = '2s';
LOCK TABLE actions IN SHARE ROW EXCLUSIVE MODE

-- find_listed_actions: finds the action that each of these ids means: its own in this or another spelling, or a former
-- Of several that match, the first counts (`choice`): 1 has this id, 2 its composed spelling, 3 an id of which that is
-- the composed spelling; 4 had one of the first two before, 5 had the third. Each is one join of all ids with all
-- actions, so the time grows with the sum of both, not with their product.
WITH asked AS MATERIALIZED (
    SELECT action_id, normalize(action_id, NFC) AS composed
    FROM unnest(%(action_ids)s::text[]) AS asked (action_id)
),
known AS MATERIALIZED (
    SELECT 1 AS choice, action_id AS said, action_id FROM actions
    UNION ALL
    SELECT 4, former_id, action_id FROM former_action_ids
),
found AS (
    SELECT asked.action_id AS asked_id, known.choice, known.action_id
    FROM asked
    JOIN known ON known.said = asked.action_id
    UNION ALL
    SELECT asked.action_id, CASE known.choice WHEN 1 THEN 2 ELSE 4 END, known.action_id
    FROM asked
    JOIN known ON known.said = asked.composed
    UNION ALL
    SELECT asked.action_id, CASE known.choice WHEN 1 THEN 3 ELSE 5 END, known.action_id
    FROM asked
    JOIN (
        SELECT choice, action_id, normalize(said, NFC) AS composed FROM known WHERE said IS NOT NFC NORMALIZED
    ) AS known USING (composed)
)
SELECT DISTINCT ON (asked_id) asked_id, action_id
FROM found
ORDER BY asked_id, choice, action_id COLLATE "C"

-- {definition}: what an operator says of a board, but for its id, the actions that count and the dates of seasons
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
value_min,
value_max

-- read_moments: the moment; the last one at which something was granted, if that is later; and the last correction
SELECT {moment}, {last_granted}, (SELECT coalesce(max(correction_id), 0) FROM corrections)

-- add_boards: adds boards that show nothing yet, with the actions that count
-- Where seasons are written ahead, `write_seasons` says until when.
WITH said AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(%(said)s::jsonb) AS said (
        board_id text,
        title text,
        direction text,
        operator text,
        counts text,
        actions text [],
        size integer,
        period text,
        zone text,
        grace_seconds integer,
        visibility text,
        keep_full_seconds bigint,
        value_min bigint,
        value_max bigint
    )
),
added AS (
    INSERT INTO boards (
        board_id,
        {definition},
        created_at,
        defined_at,
        written_until,
        version,
        changed_at
    )
    SELECT
        board_id,
        {definition},
        clock_timestamp(),
        clock_timestamp(),
        CASE WHEN period IN ('day', 'week', 'month') THEN %(moment)s::timestamptz END,
        1,
        clock_timestamp()
    FROM said
)
INSERT INTO board_actions (board_id, action_id)
SELECT said.board_id, listed.action_id
FROM said
CROSS JOIN LATERAL unnest(said.actions) AS listed (action_id)

-- {next_defined_at}: later than before, also by a clock that was set back, so every instance sees a change
greatest(clock_timestamp(), defined_at + interval '1 microsecond')

-- change_boards: changes what may change of boards, and when their seasons to come close
WITH said AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(%(said)s::jsonb) AS said (
        board_id text,
        title text,
        grace_seconds integer,
        visibility text,
        keep_full_seconds bigint,
        value_min bigint,
        value_max bigint
    )
),
closing AS (
    UPDATE seasons
    SET closes_at = ends_at + make_interval(secs => said.grace_seconds)
    FROM said
    WHERE seasons.board_id = said.board_id AND seasons.state = 'upcoming'
)
UPDATE boards
SET
    title = said.title,
    visibility = said.visibility,
    grace_seconds = said.grace_seconds,
    keep_full_seconds = said.keep_full_seconds,
    value_min = said.value_min,
    value_max = said.value_max,
    defined_at = {next_defined_at}
FROM said
WHERE boards.board_id = said.board_id

-- crowded_actions: the actions that count on too many boards that run, `main` aside; null stands for every action
WITH open_boards AS MATERIALIZED (
    SELECT board_id, counts
    FROM boards
    WHERE board_id <> 'main'
    AND EXISTS (
        SELECT
        FROM seasons
        WHERE seasons.board_id = boards.board_id
        AND seasons.state IN ('upcoming', 'running')
        AND coalesce(seasons.ends_at > %(moment)s, TRUE)
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

-- dates_of_seasons: when the seasons of these boards begin and end, and whether they are over
SELECT board_id, starts_at, ends_at, state IN ('ended', 'final')
FROM seasons
WHERE board_id = ANY (%(board_ids)s)
ORDER BY board_id, number

-- closed_among: those of these boards that were closed, and when
SELECT board_id, closed_at FROM boards WHERE board_id = ANY (%(board_ids)s) AND closed_at IS NOT NULL

-- rows_of_actions: tells the rows of these actions from any that come after them
-- A rename makes a new row, and so does one back again. The transaction that wrote a row says which one it is, whatever
-- the clock says, and whatever is known of former ids.
SELECT coalesce(encode(sha256(string_agg(xmin::text, ',' ORDER BY action_id)::bytea), 'hex'), '')
FROM actions
WHERE action_id = ANY (%(action_ids)s::text[])

-- begin_look: keeps grants and turns of seasons out until `end_look`, and waits for those under way
SAVEPOINT look;
SELECT pg_advisory_xact_lock({seasons_lock})

-- end_look: lets them in again; a lock ends with the savepoint that came before it
ROLLBACK TO SAVEPOINT look

-- keep_falls_out: keeps out whoever revokes, hides or removes, and waits for the one who does, until COMMIT
SELECT pg_advisory_xact_lock_shared({falls_lock})

-- revoked_since: the users of whom a grant was revoked behind this correction
SELECT DISTINCT user_id::text FROM corrections WHERE correction_id > %(correction_id)s AND ledger_id IS NOT NULL

-- read_last: the last row of the ledger; while no grant is under way, all up to it are there
SELECT coalesce(max(ledger_id), 0) FROM ledger

-- granted_actions: the actions that these rows of the ledger are about
SELECT DISTINCT action_id FROM ledger WHERE ledger_id > %(after)s AND ledger_id <= %(until)s

-- row_before: the row of the ledger before all that were granted from this moment on, up to this row
-- With `OFFSET 0` PostgreSQL finds these by the index by time; else it walks the ledger from its first row on.
SELECT coalesce(min(granted.ledger_id) - 1, %(until)s)
FROM (
    SELECT ledger_id FROM ledger WHERE submitted_at >= %(moment)s AND ledger_id <= %(until)s OFFSET 0
) AS granted

-- begin_preparation: gives ids to seasons that are written later
INSERT INTO preparations (season_ids, renewed_at)
SELECT
    array_agg(nextval(pg_get_serial_sequence('seasons', 'season_id'))::integer),
    clock_timestamp()
FROM generate_series(1, %(seasons)s)
RETURNING preparation_id, season_ids

-- renew_preparation: keeps a preparation from being given up; no row if it was
UPDATE preparations
SET renewed_at = clock_timestamp()
WHERE preparation_id = %(preparation_id)s AND renewed_at > '-infinity'
RETURNING preparation_id

-- give_up_preparations: lets the entries of preparations be removed whose command was ended
UPDATE preparations SET renewed_at = '-infinity' WHERE renewed_at < clock_timestamp() - interval '1 hour'

-- forget_preparations: forgets the preparations that were given up and have no entries any more
DELETE FROM preparations
WHERE renewed_at = '-infinity'
AND NOT EXISTS (SELECT FROM season_entries WHERE season_entries.season_id = ANY (preparations.season_ids))

-- end_preparation: ends a preparation, whose entries count from now on; no row if it was given up
DELETE FROM preparations
WHERE preparation_id = %(preparation_id)s AND renewed_at > '-infinity'
RETURNING preparation_id

-- adopt_entries: gives seasons the ids under which their entries were prepared
UPDATE seasons
SET season_id = prepared.season_id
FROM unnest(%(board_ids)s::text[], %(numbers)s::integer[], %(season_ids)s::integer[])
    AS prepared (board_id, number, season_id)
WHERE seasons.board_id = prepared.board_id AND seasons.number = prepared.number

-- ids_of_seasons: the ids of these seasons, in their order
SELECT seasons.season_id
FROM unnest(%(board_ids)s::text[], %(numbers)s::integer[]) WITH ORDINALITY AS asked (board_id, number, place)
JOIN seasons ON seasons.board_id = asked.board_id AND seasons.number = asked.number
ORDER BY asked.place

-- span_of_rows: when the first and the last of these rows of the ledger were granted; null if there are none
SELECT min(submitted_at), max(submitted_at) FROM ledger WHERE ledger_id > %(after)s AND ledger_id <= %(until)s

-- add_entries: adds what rows of the ledger say to the entries of these seasons
WITH these AS MATERIALIZED (
    SELECT *
    FROM unnest(
        %(season_ids)s::integer[],
        %(board_ids)s::text[],
        %(starts)s::timestamptz[],
        %(ends)s::timestamptz[],
        %(operators)s::text[],
        %(directions)s::text[],
        %(counts)s::text[]
    ) AS these (season_id, board_id, starts_at, ends_at, operator, direction, counts)
),
granted AS MATERIALIZED (
    SELECT user_id, action_id, points_granted, submitted_at
    FROM ledger
    WHERE ledger_id > %(after)s AND ledger_id <= %(until)s
    AND NOT EXISTS (SELECT FROM corrections WHERE corrections.ledger_id = ledger.ledger_id)
),
listed AS MATERIALIZED (
    SELECT * FROM unnest(%(listing)s::text[], %(listed)s::text[]) AS listed (board_id, action_id)
),
counting AS MATERIALIZED (
    SELECT these.*, granted.*
    FROM granted
    JOIN these
        ON granted.submitted_at >= these.starts_at
        AND coalesce(granted.submitted_at < these.ends_at, TRUE)
    WHERE these.counts = 'every'
    UNION ALL
    SELECT these.*, granted.*
    FROM granted
    JOIN listed ON listed.action_id = granted.action_id
    JOIN these
        ON these.board_id = listed.board_id
        AND granted.submitted_at >= these.starts_at
        AND coalesce(granted.submitted_at < these.ends_at, TRUE)
    WHERE these.counts = 'listed'
),
valued AS MATERIALIZED (
    SELECT
        season_id,
        operator,
        user_id,
        submitted_at,
        {kept_value} AS value
    FROM counting
),
counted AS MATERIALIZED (
    SELECT season_id, operator, user_id, sum(value) AS value, max(submitted_at) AS submitted_at, FALSE AS hidden
    FROM valued
    WHERE operator = 'sum'
    GROUP BY season_id, operator, user_id
    UNION ALL
    (
        SELECT DISTINCT ON (season_id, user_id) season_id, operator, user_id, value, submitted_at, FALSE AS hidden
        FROM valued
        WHERE operator = 'best'
        ORDER BY season_id, user_id, value DESC, submitted_at
    )
),
{entered}
SELECT (SELECT count(*) FROM added) + (SELECT count(*) FROM bettered)

-- running_season: how a board is, and the season of it that is running; no row if there is no board
SELECT boards.period, boards.zone, boards.closed_at, seasons.season_id, seasons.number, seasons.starts_at
FROM boards
LEFT JOIN seasons ON seasons.board_id = boards.board_id AND seasons.state = 'running'
WHERE boards.board_id = %(board_id)s

-- last_season: the number and the end of the last season of a board that is written
SELECT number, ends_at FROM seasons WHERE board_id = %(board_id)s ORDER BY number DESC LIMIT 1

-- read_end: the moment at which a season can end that shall end now: behind all that was granted; and the clock
SELECT {last_granted} + interval '1 microsecond', clock_timestamp()

-- forget_seasons_to_come: removes the seasons of a board that have not begun
DELETE FROM seasons WHERE board_id = %(board_id)s AND state = 'upcoming'

-- end_season: lets a season end at this moment
-- It changes the next one with it, if that is written: the key between the two wants the same moment in `ends_at` and
-- `previous_ends_at` whenever a statement is over.
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
    defined_at = {next_defined_at}
WHERE board_id = %(board_id)s

-- purge_entries: removes entries that nobody keeps any more: their time is over, or their boards were not added
-- Who removes or hides users locks entries as well. So what somebody holds is left for the next time: to wait for it
-- could be a deadlock.
WITH over AS MATERIALIZED (
    SELECT season_entries.user_id, season_entries.season_id
    FROM seasons
    JOIN boards ON boards.board_id = seasons.board_id
    JOIN season_entries ON season_entries.season_id = seasons.season_id
    WHERE seasons.state = 'final'
    AND seasons.closes_at + make_interval(secs => boards.keep_full_seconds) <= clock_timestamp()
    AND boards.season_id <> seasons.season_id
    LIMIT %(limit)s
    FOR UPDATE OF season_entries SKIP LOCKED
),
given_up AS MATERIALIZED (
    SELECT season_entries.user_id, season_entries.season_id
    FROM preparations
    CROSS JOIN LATERAL unnest(preparations.season_ids) AS given_up (season_id)
    JOIN season_entries ON season_entries.season_id = given_up.season_id
    WHERE preparations.renewed_at = '-infinity'
    LIMIT %(limit)s - (SELECT count(*) FROM over)
    FOR UPDATE OF season_entries SKIP LOCKED
),
marked AS (
    UPDATE seasons
    SET is_purged = TRUE
    WHERE season_id IN (SELECT season_id FROM over) AND NOT is_purged
),
purged AS (
    DELETE FROM season_entries
    USING (SELECT * FROM over UNION ALL SELECT * FROM given_up) AS over
    WHERE season_entries.user_id = over.user_id AND season_entries.season_id = over.season_id
    RETURNING season_entries.user_id
)
SELECT count(*) FROM purged
