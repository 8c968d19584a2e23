-- The statements of whom users follow.

-- follow: lets a user follow another, up to so many; says whether each of the two is here, and whether it is so now
-- Requests of one user take turns by the lock, and the count comes after it: what others have added by then is seen.
-- Who is hidden is not here: an answer of their own would tell that they are hidden.
SELECT user_id FROM users WHERE user_id = %(user_id)s::uuid FOR NO KEY UPDATE;
WITH present AS MATERIALIZED (
    SELECT count(*) AS follows, count(*) FILTER (WHERE followed_id = %(followed_id)s::uuid) > 0 AS is_followed
    FROM follows
    WHERE user_id = %(user_id)s::uuid
),
followed AS MATERIALIZED (
    SELECT user_id
    FROM users
    WHERE user_id = %(followed_id)s::uuid AND coalesce(hidden_at, banned_at, erased_at) IS NULL
    FOR KEY SHARE
),
added AS (
    INSERT INTO follows (user_id, followed_id)
    SELECT users.user_id, followed.user_id
    FROM users
    CROSS JOIN followed
    CROSS JOIN present
    WHERE users.user_id = %(user_id)s::uuid AND NOT is_followed AND follows < %(limit)s
    ON CONFLICT DO NOTHING
    RETURNING followed_id
)
SELECT
    EXISTS (SELECT FROM users WHERE user_id = %(user_id)s::uuid),
    EXISTS (SELECT FROM followed),
    is_followed OR EXISTS (SELECT FROM added)
FROM present

-- unfollow: ends that; says whether the user who asks is here
WITH ended AS (
    DELETE FROM follows WHERE user_id = %(user_id)s::uuid AND followed_id = %(followed_id)s::uuid
)
SELECT user_id FROM users WHERE user_id = %(user_id)s::uuid

-- list_follows: reads whom a user follows, by name; a row without them for a user who follows nobody, none for no user
-- Who is hidden is in no list; who followed them before goes on to.
SELECT shown.user_id::text, shown.username, shown.followed_at
FROM users
LEFT JOIN (
    SELECT follows.user_id AS follower_id, followed.user_id, followed.username, followed.username_key, followed_at
    FROM follows
    JOIN users AS followed ON followed.user_id = follows.followed_id
    WHERE follows.user_id = %(user_id)s::uuid
    AND coalesce(followed.hidden_at, followed.banned_at, followed.erased_at) IS NULL
) AS shown ON shown.follower_id = users.user_id
WHERE users.user_id = %(user_id)s::uuid
ORDER BY shown.username_key COLLATE "C"
