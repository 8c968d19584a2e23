-- The statements of standings. `{ranking}` is the rule of the ledger (`ledger/queries.py`).

-- read_standing: reads a user's name, score, rank and beginning; no rank past the first %(ranks)s, and none without a score
-- Whoever is hidden has a score and no rank, as those who are past the first ones.
-- The rank is looked for from the top of idx_scores_score_desc, so it costs at most that many index entries,
-- however many users there are or share the score.
SELECT users.user_id::text, users.username, scores.score, ranked.rank, users.created_at
FROM users
LEFT JOIN scores ON scores.user_id = users.user_id
LEFT JOIN (
    SELECT ranked.user_id, row_number() OVER (ORDER BY {ranking}) AS rank
    FROM scores AS ranked
    WHERE NOT ranked.hidden
    ORDER BY {ranking}
    LIMIT %(ranks)s
) AS ranked ON ranked.user_id = users.user_id
WHERE users.user_id = %(user_id)s::uuid
