-- The statements of standings.

-- read_account: reads what a user is told of the account; and the score, which whoever is hidden has as well
SELECT
    users.user_id::text,
    users.username,
    coalesce(scores.score, 0),
    users.created_at,
    users.password_hash <> %(no_password)s,
    coalesce(users.email_given, users.email),
    coalesce(users.source, '')
FROM users
LEFT JOIN scores ON scores.user_id = users.user_id
WHERE users.user_id = %(user_id)s::uuid
