-- The statements of what a user has been granted.

-- read_own_grants: reads a page of a user's grants, in the order of the catalogue; one row without a grant for a user who has none there, none for no user
-- That order is not the one of the key, unless the database's locale is "C". So the user's rows are found by the key and
-- sorted: as many as the user has grants, which is no more than there are actions.
SELECT granted.action_id, granted.points_granted, granted.submitted_at
FROM users
LEFT JOIN (
    SELECT user_id, action_id, points_granted, submitted_at
    FROM ledger
    WHERE user_id = %(user_id)s::uuid AND action_id COLLATE "C" > %(after)s
    ORDER BY action_id COLLATE "C"
    LIMIT %(limit)s
) AS granted ON granted.user_id = users.user_id
WHERE users.user_id = %(user_id)s::uuid
ORDER BY granted.action_id COLLATE "C"
