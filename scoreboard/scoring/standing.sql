-- The statements of standings.

-- read_account: reads a user's name and beginning; and the score, which whoever is hidden has as well
SELECT
    users.user_id::text,
    users.username,
    coalesce(scores.score, 0),
    users.created_at,
    users.password_hash <> %(no_password)s
FROM users
LEFT JOIN scores ON scores.user_id = users.user_id
WHERE users.user_id = %(user_id)s::uuid
