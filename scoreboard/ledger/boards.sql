-- The statements that read boards and raise their versions, and the words that several say alike.

-- {moment}: the time by which seasons are told apart; a clock that was set back falls behind none that has ended
greatest(clock_timestamp(), (SELECT max(ends_at) FROM seasons WHERE state IN ('ended', 'final')))

-- {last_granted}: the moment, or when the last row of the ledger was granted, if that is later
-- It is if the clock was set back since. The index by time has such rows at once.
(
    SELECT greatest(now.moment, (SELECT max(submitted_at) FROM ledger WHERE submitted_at >= now.moment))
    FROM (SELECT {moment} AS moment) AS now
)

-- {top}: the first entries of the season that the row of `boards` shows; nobody hidden is among them
-- The entries of `main` are `scores`. With constant limits PostgreSQL plans a walk along the index, whatever the size.
(
    (
        SELECT ranked.user_id, ranked.score::bigint AS score, ranked.updated_at
        FROM scores AS ranked
        WHERE boards.board_id = 'main' AND NOT ranked.hidden
        ORDER BY {ranking}
        LIMIT {size}
    )
    UNION ALL
    (
        SELECT ranked.user_id, ranked.score, ranked.updated_at
        FROM (
            SELECT ranked.user_id, ranked.score, ranked.updated_at
            FROM season_entries AS ranked
            WHERE ranked.season_id = boards.season_id AND NOT ranked.hidden
            ORDER BY {ranking}
            LIMIT {size_max}
        ) AS ranked
        ORDER BY {ranking}
        LIMIT boards.size
    )
)

-- {last_score}: the last score that the row of `boards` shows; null while there is room for another
(SELECT CASE WHEN count(*) = boards.size THEN min(ranked.score) END FROM {top} AS ranked)

-- {is_falling}: whether scores of the row of `boards` may be falling; not for a minute after somebody ended in it
coalesce(falling_at > clock_timestamp() - interval '60 seconds', FALSE)

-- {kept_value}: what the points of a grant are worth in the entries of a board: minus the points where low ones win
-- So, of what is kept, the highest is the best on every board.
CASE direction WHEN 'low' THEN -points_granted ELSE points_granted END

-- {shown_score}: a score as it is shown, which turns what was kept back
CASE boards.direction WHEN 'low' THEN -ranked.score ELSE ranked.score END

-- {season}: what is read of the row of `seasons`; null where there is none
seasons.number,
seasons.starts_at,
seasons.ends_at,
seasons.state

-- {shown}: what is read of a board, from `boards` and what `seasons_shown` joins, with `listed` as its entries
boards.board_id,
boards.version,
boards.changed_at,
boards.direction = 'low' AS is_low,
{season},
listed.entries::text,
before.number,
before.starts_at,
before.ends_at,
before.state,
(
    SELECT json_agg(json_build_array(final.entry -> 'userId', final.entry -> 'username', final.entry -> 'score'))
    FROM jsonb_array_elements(before.final) WITH ORDINALITY AS final (entry, place)
    WHERE final.place <= {final_size}
)::text

-- {shown_types}: names and types of what is `shown`, for a function that returns it
board_id varchar,
version bigint,
changed_at timestamptz,
is_low boolean,
number integer,
starts_at timestamptz,
ends_at timestamptz,
state varchar,
entries text,
before_number integer,
before_starts_at timestamptz,
before_ends_at timestamptz,
before_state varchar,
before_entries text

-- {seasons_shown}: the season that a board shows, and the one before; `main` shows none
LEFT JOIN seasons ON seasons.season_id = boards.season_id AND boards.board_id <> 'main'
LEFT JOIN seasons AS before ON before.board_id = seasons.board_id AND before.number = seasons.previous_number

-- {entries}: what is `ranked`, and `users`, as a list of user id, name and score
json_agg(json_build_array(ranked.user_id, users.username, {shown_score}) ORDER BY {ranking}) AS entries

-- raise_boards: raises the version of each board on which one of these users is now
SELECT * FROM raise_boards_{digest}(%(board_ids)s::text[], %(user_ids)s::uuid[])

-- create_raise_boards: what `raise_boards` calls; it returns each board, and whether it was raised
-- The lock makes the transactions that reach a board take turns. What reads the board begins after that, so it sees all
-- that was committed under a lower version. A statement does not see the rows that it changes itself, so what it reads
-- as `boards` at the end is made of both.
CREATE FUNCTION raise_boards_{digest} (text[], uuid[])
RETURNS TABLE ({shown_types}, is_raised boolean)
LANGUAGE plpgsql AS $function$
#variable_conflict use_column
BEGIN
    PERFORM version FROM boards WHERE board_id = ANY ($1) ORDER BY board_id FOR UPDATE;
    RETURN QUERY
WITH reaching AS MATERIALIZED (
    SELECT board_id, user_id
    FROM unnest($1, $2) AS reaching (board_id, user_id)
),
top AS MATERIALIZED (
    SELECT boards.board_id, boards.size, ranked.user_id, ranked.score, ranked.updated_at
    FROM boards
    CROSS JOIN LATERAL {top} AS ranked
    WHERE boards.board_id IN (SELECT board_id FROM reaching)
),
raised AS (
    UPDATE boards
    SET
        version = version + 1,
        tenth_score = CASE WHEN {is_falling} THEN NULL ELSE full_boards.score END,
        changed_at = clock_timestamp()
    FROM (
        SELECT board_id, CASE WHEN count(*) = size THEN min(score) END AS score
        FROM top
        GROUP BY board_id, size
    ) AS full_boards
    WHERE boards.board_id = full_boards.board_id
    AND EXISTS (SELECT FROM top JOIN reaching USING (board_id, user_id) WHERE top.board_id = boards.board_id)
    RETURNING boards.board_id, boards.version, boards.changed_at
)
SELECT
    {shown},
    raised.version IS NOT NULL AS is_raised
FROM (
    SELECT
        boards.board_id,
        boards.season_id,
        boards.direction,
        coalesce(raised.version, boards.version) AS version,
        coalesce(raised.changed_at, boards.changed_at) AS changed_at
    FROM boards
    LEFT JOIN raised USING (board_id)
    WHERE boards.board_id IN (SELECT board_id FROM reaching)
) AS boards
{seasons_shown}
LEFT JOIN raised ON raised.board_id = boards.board_id
LEFT JOIN LATERAL (
    SELECT {entries}
    FROM top AS ranked
    JOIN users ON users.user_id = ranked.user_id
    WHERE ranked.board_id = boards.board_id
) AS listed ON TRUE;
END
$function$

-- read_boards: reads these boards, version and entries from one snapshot
SELECT {shown}
FROM boards
{seasons_shown}
LEFT JOIN LATERAL (
    SELECT {entries}
    FROM {top} AS ranked
    JOIN users ON users.user_id = ranked.user_id
) AS listed ON TRUE
WHERE boards.board_id = ANY (%(board_ids)s)

-- lift_board: gives the board a version above one that was shown, unless it has one already
-- One statement, so it waits for the row like everybody who raises it, and looks again once it has it.
UPDATE boards
SET version = %(above)s + 1, changed_at = clock_timestamp()
WHERE board_id = %(board_id)s AND version <= %(above)s

-- read_version: reads the version of a board alone
SELECT version FROM boards WHERE board_id = %(board_id)s

-- read_versions: reads how every board is, without its entries; and when a season is due to begin, end or close next
WITH due AS MATERIALIZED (
    SELECT
        clock.moment,
        least(
            (SELECT min(ends_at) FROM seasons WHERE state = 'running'),
            (SELECT min(starts_at) FROM seasons WHERE state = 'upcoming'),
            (SELECT min(closes_at) FROM seasons WHERE state = 'ended')
        ) AS due_at
    FROM (SELECT {moment} AS moment) AS clock
)
SELECT
    boards.board_id,
    boards.version,
    boards.changed_at,
    boards.defined_at,
    extract(epoch FROM due.due_at - due.moment)::float AS due_in_seconds,
    {season}
FROM boards
LEFT JOIN seasons ON seasons.season_id = boards.season_id
CROSS JOIN due

-- renew_boards: gives boards a version above every copy's and the last score of today
-- A version that leapt by more than `leap` comes down first (null: none does), to what play could have reached: a
-- change of the board takes a row of the ledger at least, so what was shown before the leap is hardly higher.
UPDATE boards
SET
    version = 1 + greatest(
        CASE WHEN boards.version - played.version > %(leap)s THEN played.version ELSE boards.version END,
        %(above)s
    ),
    tenth_score = CASE WHEN {is_falling} THEN NULL ELSE {last_score} END,
    changed_at = clock_timestamp()
FROM (SELECT coalesce(max(ledger_id), 0) + 1 AS version FROM ledger) AS played
WHERE boards.board_id = ANY (%(board_ids)s)
