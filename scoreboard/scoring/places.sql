-- The statements of places. Each is one snapshot: its version, total, ranks and lines belong together.
--
-- `{entries}` is the table of a ranking, `{is_entry}` what is in it (places.py). Counting begins at fences
-- (counting.py): `keys`, ascending, the first of which is the beginning; `befores`, how many stood before each as of
-- `snapshot`; and what each key says. Where a ranking is not held, `snapshot` is null and the beginning is the only
-- fence. No more than `counted` entries are counted from one. Rows come in no order: lines have their keys.

-- find_ranking: finds a season of a board, the one that it shows if there is no number; and these users' entries in it
SELECT
    seasons.season_id,
    {is_kept} AS is_kept,
    ranked.score::bigint,
    ranked.updated_at,
    ranked.user_id::text
FROM boards
LEFT JOIN seasons
    ON seasons.board_id = boards.board_id
    AND CASE
        WHEN %(season)s::bigint IS NULL THEN seasons.season_id = boards.season_id
        ELSE seasons.number = %(season)s
    END
LEFT JOIN {entries} AS ranked
    ON ranked.user_id = ANY (%(user_ids)s::uuid[])
    AND NOT ranked.hidden
    AND {is_of_season}
WHERE boards.board_id = %(board_id)s

-- {is_sound}: whether what is held may be counted from: it is of this server, and all that has moved since is there
-- Null where nothing is held.
(
    {server} = %(server)s
    AND (SELECT below FROM movements_removed) <= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)
    AND NOT EXISTS (
        SELECT FROM movements WHERE ranking_id = %(ranking_id)s AND removed IS NULL AND added IS NULL AND {unseen}
    )
)

-- {moved}: by how much the number of entries between two fences has changed since; `place` counts the fences from 1
-- `|| ''` reads what is kept apart once, and not anew for each of its keys.
moved AS MATERIALIZED (
    SELECT width_bucket(move.key, %(keys)s::bytea[]) AS place, sum(move.by) AS by
    FROM (
        SELECT removed || '' AS removed, added || '' AS added
        FROM movements
        WHERE ranking_id = %(ranking_id)s AND {unseen}
        OFFSET 0
    ) AS unseen
    CROSS JOIN LATERAL (
        SELECT substring(unseen.removed FROM at FOR 32) AS key, -1 AS by
        FROM generate_series(1, length(unseen.removed), 32) AS at
        UNION ALL
        SELECT substring(unseen.added FROM at FOR 32), 1
        FROM generate_series(1, length(unseen.added), 32) AS at
    ) AS move
    GROUP BY place
)

-- {fences}: how many stand before each fence as of now, in an array: where a line belongs is looked up once, and no join
-- has to be planned by how many fences there are
fences AS MATERIALIZED (
    SELECT array_agg(held.before ORDER BY held.place) AS befores
    FROM (
        SELECT
            held.place,
            held.stood + coalesce(
                sum(moved.by) OVER (ORDER BY held.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0
            )::bigint AS before
        FROM unnest(%(befores)s::bigint[]) WITH ORDINALITY AS held (stood, place)
        LEFT JOIN moved ON moved.place = held.place
    ) AS held
)

-- {best}: the best scores, each once, with their ranks: those of the first entries, which are read together, and so many
-- steps along the index as are left. Mostly there are none, as few of the best have the same score.
best AS MATERIALIZED (
    WITH RECURSIVE first AS MATERIALIZED (
        SELECT ranked.score, row_number() OVER (ORDER BY ~ranked.score) AS rank
        FROM (
            SELECT ranked.score
            FROM (
                SELECT ranked.score
                FROM {entries} AS ranked
                WHERE {is_entry}
                ORDER BY {ranking}
                LIMIT {read_together}
            ) AS ranked
            GROUP BY ranked.score
        ) AS ranked
    ),
    best (score, rank) AS (
        (SELECT score, rank FROM first ORDER BY rank DESC LIMIT 1)
        UNION ALL
        SELECT
            (
                SELECT ranked.score
                FROM {entries} AS ranked
                WHERE {is_entry} AND ranked.score < best.score
                ORDER BY {ranking}
                LIMIT 1
            ),
            best.rank + 1
        FROM best
        WHERE best.score IS NOT NULL AND best.rank < %(dense_ranks)s
    )
    SELECT score, rank FROM first WHERE rank <= %(dense_ranks)s
    UNION
    SELECT score, rank FROM best WHERE score IS NOT NULL AND rank <= %(dense_ranks)s
)

-- {better}: how many have a better score than `line`, counted from `tier`; null if those are too many to count
(
    SELECT CASE WHEN tied.count + lower.count < %(counted)s THEN tier.before + tied.count + lower.count END AS count
    FROM (
        SELECT count(*) AS count
        FROM (
            SELECT
            FROM {entries} AS ranked
            WHERE {is_entry}
            AND ranked.score = tier.score
            AND (ranked.updated_at, ranked.user_id) >= (tier.updated_at, tier.user_id)
            ORDER BY {ranking}
            LIMIT %(counted)s
        ) AS counted
    ) AS tied
    CROSS JOIN (
        SELECT count(*) AS count
        FROM (
            SELECT
            FROM {entries} AS ranked
            WHERE {is_entry} AND ranked.score < tier.score AND ranked.score > line.score
            ORDER BY {ranking}
            LIMIT %(counted)s
        ) AS counted
    ) AS lower
)

-- {before_line}: how many stand before `line`: those with a better score, or those before the `fence`; and those behind it
-- with the same score. The order of a ranking is mixed, so an index is read by one score at a time, or by all between two.
(
    SELECT
        CASE WHEN count(*) < %(counted)s THEN
            CASE WHEN fence.score = line.score THEN fence.before ELSE better.count END + count(*)
        END
    FROM (
        SELECT
        FROM {entries} AS ranked
        WHERE {is_entry}
        AND ranked.score = line.score
        AND (ranked.updated_at, ranked.user_id) < (line.updated_at, line.user_id)
        AND (ranked.updated_at, ranked.user_id) >= (
            CASE WHEN fence.score = line.score THEN fence.updated_at ELSE '-infinity' END,
            CASE WHEN fence.score = line.score THEN fence.user_id ELSE '00000000-0000-0000-0000-000000000000' END
        )
        ORDER BY {ranking}
        LIMIT %(counted)s
    ) AS tied
)

-- {with_fence}: the last fence that is not behind `line`
-- `OFFSET 0` has each looked up once, and not for each of its columns.
CROSS JOIN fences
CROSS JOIN LATERAL (
    SELECT {of_fence}
    FROM (
        SELECT width_bucket(ranking_key(line.score, line.updated_at, line.user_id), %(keys)s::bytea[]) AS place
        OFFSET 0
    ) AS found
    OFFSET 0
) AS fence

-- {with_tier}: the last fence with a better score than `line`
CROSS JOIN LATERAL (
    SELECT {of_fence}
    FROM (SELECT width_bucket(-1 - line.score, %(turned)s::bigint[]) AS place OFFSET 0) AS found
    OFFSET 0
) AS tier

-- {of_fence}: the fence that is at a `place`
fences.befores[found.place] AS before,
(%(scores)s::bigint[])[found.place] AS score,
(%(moments)s::timestamptz[])[found.place] AS updated_at,
(%(users)s::uuid[])[found.place] AS user_id

-- {ahead_of_line}: the entries before `line`
-- Statements are planned before anybody knows how many lines they are to read; if PostgreSQL could not see that these
-- are few, it would sort all entries. So the most is a number, and `ahead` and `behind` stand around it. For the same
-- reason names are looked up one by one: joined, all users might be read for them.
(
    SELECT ranked.*
    FROM (
        (
            SELECT tied.*
            FROM (
                SELECT ranked.score, ranked.updated_at, ranked.user_id
                FROM {entries} AS ranked
                WHERE {is_entry}
                AND ranked.score = line.score
                AND (ranked.updated_at, ranked.user_id) < (line.updated_at, line.user_id)
                ORDER BY {turned_ranking}
                LIMIT {lines_max}
            ) AS tied
            LIMIT %(ahead)s
        )
        UNION ALL
        (
            SELECT ranked.score, ranked.updated_at, ranked.user_id
            FROM {entries} AS ranked
            WHERE {is_entry} AND ranked.score > line.score
            ORDER BY {turned_ranking}
            LIMIT {lines_max}
        )
    ) AS ranked
    ORDER BY {turned_ranking}
    LIMIT %(ahead)s
)

-- {from_line}: the entries from `line` on
(
    SELECT ranked.*
    FROM (
        (
            SELECT tied.*
            FROM (
                SELECT ranked.score, ranked.updated_at, ranked.user_id
                FROM {entries} AS ranked
                WHERE {is_entry}
                AND ranked.score = line.score
                AND (ranked.updated_at, ranked.user_id) >= (line.updated_at, line.user_id)
                ORDER BY {ranking}
                LIMIT {lines_max}
            ) AS tied
            LIMIT %(behind)s
        )
        UNION ALL
        (
            SELECT ranked.score, ranked.updated_at, ranked.user_id
            FROM {entries} AS ranked
            WHERE {is_entry} AND ranked.score < line.score
            ORDER BY {ranking}
            LIMIT {lines_max}
        )
    ) AS ranked
    ORDER BY {ranking}
    LIMIT %(behind)s
)

-- {ranking_as_of_now}: how the board is, its season, and how many entries there are
boards.version,
boards.changed_at,
boards.direction = 'low' AS is_low,
seasons.number,
seasons.starts_at,
seasons.ends_at,
seasons.state,
boards.season_id AS shown_id,
{is_kept} AS is_kept,
{is_sound} AS is_sound,
CASE
    WHEN %(held_total)s::bigint IS NOT NULL THEN %(held_total)s::bigint + (SELECT coalesce(sum(moved.by), 0) FROM moved)
    ELSE (
        SELECT CASE WHEN count(*) <= %(counted)s THEN count(*) END
        FROM (SELECT FROM {entries} AS ranked WHERE {is_entry} ORDER BY {ranking} LIMIT 1 + %(counted)s) AS counted
    )
END::bigint AS total

-- {of_ranking}: the row of a board and of the season that is asked for
FROM boards
LEFT JOIN seasons ON seasons.season_id = %(season_id)s::integer

-- find_places: reads where these users stand, and how the ranking is; one row at least
WITH {moved},
{fences},
{best}
SELECT
    {ranking_as_of_now},
    found.*
{of_ranking}
LEFT JOIN LATERAL (
    SELECT
        line.score::bigint AS kept,
        line.updated_at,
        line.user_id::text,
        (SELECT users.username FROM users WHERE users.user_id = line.user_id) AS username,
        {before_line} + 1 AS rank,
        better.count + 1 AS competition_rank,
        best.rank AS dense_rank,
        next.user_id::text AS next_id,
        next.username AS next_name,
        next.score - line.score + 1 AS points
    FROM {entries_of_users} AS line
    {with_fence}
    {with_tier}
    CROSS JOIN LATERAL {better} AS better
    LEFT JOIN best ON best.score = line.score
    LEFT JOIN LATERAL (
        SELECT
            ahead.score,
            ahead.user_id,
            (SELECT users.username FROM users WHERE users.user_id = ahead.user_id) AS username
        FROM {ahead_of_line} AS ahead
    ) AS next ON TRUE
) AS found ON TRUE
WHERE boards.board_id = %(board_id)s

-- {entries_of_users}: the entries of these users
(
    SELECT ranked.score::bigint AS score, ranked.updated_at, ranked.user_id
    FROM {entries} AS ranked
    WHERE {is_entry} AND ranked.user_id = ANY (%(user_ids)s::uuid[])
)

-- {listed}: the lines before and from a `line` on, best first, and how the ranking is; one row at least
-- It says how many stand before the line, and how many have a better score than the first of the lines that are read.
lines AS MATERIALIZED (
    SELECT ahead.*, TRUE AS is_ahead
    FROM line
    CROSS JOIN LATERAL {ahead_of_line} AS ahead
    UNION ALL
    SELECT behind.*, FALSE
    FROM line
    CROSS JOIN LATERAL {from_line} AS behind
)
SELECT
    {ranking_as_of_now},
    (
        SELECT {before_line}
        FROM line
        {with_fence}
        {with_tier}
        CROSS JOIN LATERAL {better} AS better
    ) AS before,
    (
        SELECT better.count
        FROM (SELECT ranked.* FROM lines AS ranked ORDER BY {ranking} LIMIT 1) AS line
        CROSS JOIN fences
        {with_tier}
        CROSS JOIN LATERAL {better} AS better
    ) AS better,
    found.*
{of_ranking}
LEFT JOIN LATERAL (
    SELECT
        lines.score AS kept,
        lines.updated_at,
        lines.user_id::text,
        (SELECT users.username FROM users WHERE users.user_id = lines.user_id) AS username,
        lines.is_ahead,
        best.rank AS dense_rank
    FROM lines
    LEFT JOIN best ON best.score = lines.score
) AS found ON TRUE
WHERE boards.board_id = %(board_id)s

-- list_around_user: reads the lines around a user's
WITH {moved},
{fences},
{best},
line AS MATERIALIZED {entries_of_users},
{listed}

-- list_around_key: reads the lines before and behind a place, whether somebody stands there or not
WITH {moved},
{fences},
{best},
line AS MATERIALIZED (
    SELECT %(score)s::bigint AS score, %(moment)s::timestamptz AS updated_at, %(user_id)s::uuid AS user_id
),
{listed}

-- list_from_rank: reads the lines from a rank on; none where fences are too far away, or the ranking ends before
WITH {moved},
{fences},
{best},
line AS MATERIALIZED (
    SELECT found.*
    FROM (
        SELECT {of_fence}, %(rank)s - 1 - fences.befores[found.place] AS skipped
        FROM fences
        CROSS JOIN LATERAL (SELECT width_bucket(%(rank)s - 1, fences.befores) AS place OFFSET 0) AS found
        OFFSET 0
    ) AS line
    CROSS JOIN LATERAL (
        SELECT count(*) AS count
        FROM (
            SELECT
            FROM {entries} AS ranked
            WHERE {is_entry}
            AND ranked.score = line.score
            AND (ranked.updated_at, ranked.user_id) >= (line.updated_at, line.user_id)
            ORDER BY {ranking}
            LIMIT 1 + line.skipped
        ) AS tied
    ) AS tied
    CROSS JOIN LATERAL (
        SELECT ranked.*
        FROM (
            (
                SELECT ranked.score, ranked.updated_at, ranked.user_id
                FROM {entries} AS ranked
                WHERE {is_entry}
                AND ranked.score = line.score
                AND (ranked.updated_at, ranked.user_id) >= (line.updated_at, line.user_id)
                ORDER BY {ranking}
                OFFSET line.skipped
                LIMIT 1
            )
            UNION ALL
            (
                SELECT ranked.score, ranked.updated_at, ranked.user_id
                FROM {entries} AS ranked
                WHERE {is_entry} AND ranked.score < line.score
                ORDER BY {ranking}
                OFFSET greatest(line.skipped - tied.count, 0)
                LIMIT 1
            )
        ) AS ranked
        ORDER BY {ranking}
        LIMIT 1
    ) AS found
    WHERE line.skipped < %(counted)s
),
{listed}
