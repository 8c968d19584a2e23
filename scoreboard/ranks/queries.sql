-- The statements of ranks. `{ranked_entries}` are the entries of a ranking, `{keyed}` what its keys are made of;
-- `{server}` and `{unseen}` stand in queries.py.

-- walk_indexes: has PostgreSQL walk along indexes until the transaction ends, whatever it guesses of a table
SET LOCAL enable_seqscan = off;
SET LOCAL enable_sort = off;
SET LOCAL max_parallel_workers_per_gather = 0;

-- read_present: reads of which server and snapshot the transaction is, and below which xid movements were removed
-- Of another cluster, where a backup was made, the xids of movements say nothing here until somebody has removed them.
SELECT
    pg_current_snapshot()::text,
    {server},
    movements_removed.below::text,
    movements_removed.system_identifier = pg_control_system.system_identifier
FROM pg_control_system()
LEFT JOIN movements_removed ON TRUE

-- size_moves: how many keys of each ranking the snapshot has not seen, and whether its entries were replaced
SELECT
    ranking_id,
    sum(coalesce(octet_length(removed), 0) + coalesce(octet_length(added), 0)) / 32,
    bool_or(removed IS NULL AND added IS NULL)
FROM movements
WHERE ranking_id = ANY (%(ranking_ids)s) AND {unseen}
GROUP BY ranking_id

-- read_moves: reads what moved in rankings that the snapshot has not seen
SELECT ranking_id, removed, added
FROM movements
WHERE ranking_id = ANY (%(ranking_ids)s) AND {unseen}

-- {in_part}: the entries from a key on and before another one: of the one score, between the scores, of the other score
SELECT {keyed}
FROM {ranked_entries}
AND score = %(score)s
AND (updated_at, user_id) >= (%(moment)s::timestamptz, %(user_id)s::uuid)
AND (updated_at, user_id) < (%(tie_moment)s::timestamptz, %(tie_user_id)s::uuid)
UNION ALL
SELECT {keyed}
FROM {ranked_entries}
AND score < %(score)s AND score > %(end_score)s
UNION ALL
SELECT {keyed}
FROM {ranked_entries}
AND score = %(end_score)s AND score < %(score)s
AND (updated_at, user_id) < (%(end_moment)s::timestamptz, %(end_user_id)s::uuid)

-- count_part: counts the entries of a part
SELECT count(*) FROM ({in_part}) AS ranked

-- divide_part: the first keys of parts of `size` entries that the entries of a part make, and how many they are
SELECT
    string_agg(ranking_key({keyed}), '') FILTER (WHERE mod(number, %(size)s) = 1),
    count(*)
FROM (
    SELECT ranked.*, row_number() OVER (ORDER BY {ranking}) AS number
    FROM ({in_part}) AS ranked
    ORDER BY {ranking}
) AS numbered

-- walk: walks along a ranking from a key on, `size` entries a step, `steps` at most: the keys that it comes to, and where
-- the ranking ended before, how many entries there are from the last one on
-- Nothing is numbered: an entry costs its step along the index. Those of one score are one walk, and lower ones another.
WITH RECURSIVE walked AS (
    SELECT
        %(score)s::bigint AS score,
        %(moment)s::timestamptz AS updated_at,
        %(user_id)s::uuid AS user_id,
        0 AS number
    UNION ALL
    SELECT next.score, next.updated_at, next.user_id, walked.number + 1
    FROM walked
    CROSS JOIN LATERAL (
        (
            SELECT ranked.score::bigint AS score, ranked.updated_at, ranked.user_id
            FROM ({tied}) AS ranked
            ORDER BY {ranking}
            OFFSET %(size)s
            LIMIT 1
        )
        UNION ALL
        (
            SELECT lower.*
            FROM (SELECT count(*) AS count FROM ({tied} LIMIT %(size)s + 1) AS counted) AS tied
            CROSS JOIN LATERAL (
                SELECT ranked.score::bigint AS score, ranked.updated_at, ranked.user_id
                FROM ({lower}) AS ranked
                ORDER BY {ranking}
                OFFSET %(size)s - tied.count
                LIMIT 1
            ) AS lower
            WHERE tied.count <= %(size)s
        )
        LIMIT 1  -- there is no other, so the second way is not gone where the first one led somewhere
    ) AS next
    WHERE walked.number < %(steps)s
)
SELECT
    (SELECT string_agg(ranking_key({keyed}), '' ORDER BY number) FROM walked WHERE number > 0),
    CASE WHEN walked.number < %(steps)s THEN
        (SELECT count(*) FROM ({tied}) AS counted) + (SELECT count(*) FROM ({lower}) AS counted)
    END
FROM (SELECT * FROM walked ORDER BY number DESC LIMIT 1) AS walked

-- {tied}: the entries from where was `walked` to on that have the same score
SELECT {keyed}
FROM {ranked_entries}
AND score = walked.score
AND (updated_at, user_id) >= (walked.updated_at, walked.user_id)

-- {lower}: the entries with lower scores
SELECT {keyed}
FROM {ranked_entries}
AND score < walked.score

-- read_fences: reads what was kept of a ranking, of this cluster and as of a snapshot whose movements are all there
SELECT snapshot::text, keys, counts
FROM fences
WHERE ranking_id = %(ranking_id)s
AND system_identifier = (SELECT system_identifier FROM pg_control_system())

-- take_keeping: becomes the one that removes movements and keeps fences, or stays it; and reads what to remember
-- Whoever was it and was not seen for `lost_seconds` is no longer, nor one that was seen in the future.
WITH taken AS (
    UPDATE movements_removed
    SET keeper = %(keeper)s, kept_at = now()
    WHERE keeper = %(keeper)s
    OR abs(extract(epoch FROM now()) - extract(epoch FROM kept_at)) > %(lost_seconds)s
    RETURNING system_identifier
)
SELECT
    pg_snapshot_xmin(pg_current_snapshot())::text,
    {server},
    taken.system_identifier IS NOT NULL,
    taken.system_identifier = pg_control_system.system_identifier
FROM pg_control_system()
LEFT JOIN taken ON TRUE

-- {kept_by_us}: the row of who keeps, if that is still us; nobody else becomes it before our commit
SELECT below, movements_removed.system_identifier
FROM movements_removed
WHERE keeper = %(keeper)s AND {server} = %(server)s
FOR UPDATE

-- remove_movements: removes rows of movements below an xid, `limit` at most, and what was kept of rankings without them
-- The rankings are found one after the other along the index, which begins with them.
WITH RECURSIVE kept AS MATERIALIZED ({kept_by_us}),
rankings AS (
    SELECT min(ranking_id) AS ranking_id FROM movements
    UNION ALL
    SELECT (SELECT min(later.ranking_id) FROM movements AS later WHERE later.ranking_id > rankings.ranking_id)
    FROM rankings
    WHERE rankings.ranking_id IS NOT NULL
),
old AS MATERIALIZED (
    SELECT movements_of_one.row_id
    FROM kept
    CROSS JOIN rankings
    CROSS JOIN LATERAL (
        SELECT movements.ctid AS row_id
        FROM movements
        WHERE movements.ranking_id = rankings.ranking_id AND movements.xid < %(below)s::xid8
    ) AS movements_of_one
    LIMIT %(limit)s
),
noted AS (
    UPDATE movements_removed
    SET below = greatest(below, %(below)s::xid8)
    WHERE EXISTS (SELECT FROM old)
),
gone AS (
    DELETE FROM movements
    WHERE ctid = ANY (ARRAY(SELECT row_id FROM old))
    RETURNING ranking_id, xid
),
outdated AS (
    DELETE FROM fences
    USING gone
    WHERE fences.ranking_id = gone.ranking_id AND NOT pg_visible_in_snapshot(gone.xid, fences.snapshot)
)
SELECT count(*) FROM gone

-- empty_movements: removes rows that were noted in another cluster, `limit` at most
WITH gone AS (
    DELETE FROM movements
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM movements LIMIT %(limit)s))
    RETURNING xid
)
SELECT count(*) FROM gone

-- settle_here: removes all that another cluster noted and kept; from now on xids are those of this one
WITH kept AS MATERIALIZED ({kept_by_us}),
settled AS (
    UPDATE movements_removed
    SET below = '0', system_identifier = (SELECT system_identifier FROM pg_control_system())
    FROM kept
),
emptied AS (DELETE FROM movements USING kept),
forgotten AS (DELETE FROM fences USING kept)
SELECT count(*) FROM kept

-- forget_gone: removes what was kept of seasons that are gone
DELETE FROM fences
WHERE ranking_id <> 0
AND NOT EXISTS (SELECT FROM seasons WHERE seasons.season_id = fences.ranking_id)

-- read_lagging: finds the rankings of which something was kept, and that have moved since
SELECT ranking_id
FROM fences
WHERE EXISTS (
    SELECT
    FROM movements
    WHERE movements.ranking_id = fences.ranking_id
    AND movements.xid >= pg_snapshot_xmin(fences.snapshot)
    AND NOT pg_visible_in_snapshot(movements.xid, fences.snapshot)
)

-- keep_fences: keeps the fences of a ranking in the place of older ones, if nothing is removed that has moved since
WITH kept AS MATERIALIZED ({kept_by_us})
INSERT INTO fences (ranking_id, system_identifier, snapshot, keys, counts)
SELECT %(ranking_id)s, kept.system_identifier, %(snapshot)s::pg_snapshot, %(keys)s, %(counts)s
FROM kept
WHERE kept.below <= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)
ON CONFLICT (ranking_id) DO UPDATE
SET system_identifier = EXCLUDED.system_identifier,
    snapshot = EXCLUDED.snapshot,
    keys = EXCLUDED.keys,
    counts = EXCLUDED.counts
WHERE fences.system_identifier <> EXCLUDED.system_identifier
OR (
    pg_snapshot_xmin(fences.snapshot) <= pg_snapshot_xmin(EXCLUDED.snapshot)
    AND pg_snapshot_xmax(fences.snapshot) <= pg_snapshot_xmax(EXCLUDED.snapshot)
)

-- read_rankings: finds the rankings of a board of which something is kept, each with the number of its season
SELECT fences.ranking_id, seasons.number
FROM fences
LEFT JOIN seasons ON seasons.season_id = fences.ranking_id
WHERE CASE fences.ranking_id WHEN 0 THEN %(board_id)s = 'main' ELSE seasons.board_id = %(board_id)s END
ORDER BY fences.ranking_id

-- count_anew: says that the rankings of a board are not what they were, and forgets what was kept of them
WITH rankings AS (
    SELECT CASE board_id WHEN 'main' THEN 0 ELSE season_id END AS ranking_id
    FROM seasons
    WHERE board_id = %(board_id)s
),
forgotten AS (DELETE FROM fences USING rankings WHERE fences.ranking_id = rankings.ranking_id)
INSERT INTO movements (ranking_id) SELECT ranking_id FROM rankings
