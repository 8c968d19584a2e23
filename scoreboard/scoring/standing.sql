-- The statements of standings and places. `{ranking}` is the rule of the ledger (`ledger/queries.py`).

-- read_standing: reads a user's name, score and rank; no rank past the first %(ranks)s, and none without a score
-- The rank is looked for from the top of idx_scores_score_desc, so it costs at most that many index entries,
-- however many users there are or share the score.
SELECT users.user_id::text, users.username, scores.score, ranked.rank
FROM users
LEFT JOIN scores ON scores.user_id = users.user_id
LEFT JOIN (
    SELECT ranked.user_id, row_number() OVER (ORDER BY {ranking}) AS rank
    FROM scores AS ranked
    ORDER BY {ranking}
    LIMIT %(ranks)s
) AS ranked ON ranked.user_id = users.user_id
WHERE users.user_id = %(user_id)s::uuid

-- read_places: reads places behind a rank, reached since; and the version
-- Ranks are counted along idx_scores_score_desc as far as the page goes. One row at least, for the version.
SELECT board.version, board.changed_at, found.rank, found.user_id::text, found.username, found.score, found.updated_at
FROM board
LEFT JOIN (
    SELECT ranked.rank, ranked.user_id, users.username, ranked.score, ranked.updated_at
    FROM (
        SELECT ranked.*, row_number() OVER (ORDER BY {ranking}) AS rank
        FROM scores AS ranked
    ) AS ranked
    JOIN users ON users.user_id = ranked.user_id
    WHERE ranked.rank > %(after)s
    AND coalesce(ranked.updated_at >= %(since)s::timestamptz, TRUE)
    ORDER BY {ranking}
    LIMIT %(limit)s
) AS found ON TRUE
ORDER BY found.rank

-- find_places: reads the same of those with a part in the key of the name
-- They are looked for first, because a walk along the ranking would look up every user.
WITH named AS MATERIALIZED (
    SELECT user_id, username
    FROM users
    WHERE position(%(part)s IN coalesce(username_key, lower(username))) > 0
),
found AS (
    SELECT ranked.rank, ranked.user_id, named.username, ranked.score, ranked.updated_at
    FROM (
        SELECT ranked.*, row_number() OVER (ORDER BY {ranking}) AS rank
        FROM scores AS ranked
    ) AS ranked
    JOIN named ON named.user_id = ranked.user_id
    WHERE ranked.rank > %(after)s
    AND coalesce(ranked.updated_at >= %(since)s::timestamptz, TRUE)
    ORDER BY ranked.rank
    LIMIT %(limit)s
)
SELECT board.version, board.changed_at, found.rank, found.user_id::text, found.username, found.score, found.updated_at
FROM board
LEFT JOIN found ON TRUE
ORDER BY found.rank
