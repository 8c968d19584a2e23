-- The statements of ranks. `{ranked_entries}` are the entries of a ranking, `{server}` and `{unseen}` stand in queries.py.

-- read_present: reads of which server and snapshot the transaction is, and below which xid rows of movements were removed
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
SELECT score, updated_at, user_id
FROM {ranked_entries}
AND score = %(score)s
AND (updated_at, user_id) >= (%(moment)s::timestamptz, %(user_id)s::uuid)
AND (updated_at, user_id) < (%(tie_moment)s::timestamptz, %(tie_user_id)s::uuid)
UNION ALL
SELECT score, updated_at, user_id
FROM {ranked_entries}
AND score < %(score)s AND score > %(end_score)s
UNION ALL
SELECT score, updated_at, user_id
FROM {ranked_entries}
AND score = %(end_score)s AND score < %(score)s
AND (updated_at, user_id) < (%(end_moment)s::timestamptz, %(end_user_id)s::uuid)

-- count_part: counts the entries of a part
SELECT count(*) FROM ({in_part}) AS ranked

-- divide_part: the first keys of parts of `size` entries that the entries of a part make, and how many they are
SELECT
    string_agg(ranking_key(score, updated_at, user_id), '') FILTER (WHERE number %% %(size)s = 1),
    count(*)
FROM (
    SELECT ranked.*, row_number() OVER (ORDER BY {ranking}) AS number
    FROM ({in_part}) AS ranked
    ORDER BY {ranking}
) AS numbered

-- scan: the first keys of parts of `size` entries that the next `limit` entries of a ranking make, how many these are, and
-- the key of the last one if there may be more
-- Behind a key: those of its score, then lower ones; each is walked along the index, however many have one score.
SELECT
    string_agg(ranking_key(score, updated_at, user_id), '') FILTER (WHERE number %% %(size)s = 1),
    count(*),
    string_agg(ranking_key(score, updated_at, user_id), '') FILTER (WHERE number = %(limit)s)
FROM (
    SELECT ranked.*, row_number() OVER (ORDER BY {ranking}) AS number
    FROM (
        SELECT score, updated_at, user_id
        FROM {ranked_entries}
        AND score = %(score)s AND (updated_at, user_id) > (%(moment)s::timestamptz, %(user_id)s::uuid)
        UNION ALL
        SELECT score, updated_at, user_id
        FROM {ranked_entries}
        AND score < %(score)s
    ) AS ranked
    ORDER BY {ranking}
    LIMIT %(limit)s
) AS numbered

-- read_fences: reads what was kept of a ranking, of this cluster and as of a snapshot whose movements are all there
SELECT snapshot::text, keys, counts
FROM fences
WHERE ranking_id = %(ranking_id)s
AND system_identifier = (SELECT system_identifier FROM pg_control_system())
