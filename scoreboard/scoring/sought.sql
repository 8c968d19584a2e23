-- The statements by which operators look through a whole ranking. Its entries are `{entries}` that are `{is_entry}`.

-- {with_board}: how a board is and which season it shows, beside each place of it that was `found`; one row at least
SELECT
    boards.version,
    boards.changed_at,
    boards.direction = 'low' AS is_low,
    seasons.number,
    seasons.starts_at,
    seasons.ends_at,
    seasons.state,
    found.rank,
    found.user_id::text,
    found.username,
    CASE boards.direction WHEN 'low' THEN -found.score ELSE found.score END AS score,
    found.updated_at
FROM boards
LEFT JOIN seasons ON seasons.season_id = boards.season_id

-- {places_of_users}: the places of `users` behind a rank, reached since
SELECT ranked.rank, ranked.user_id, users.username, ranked.score, ranked.updated_at
FROM (
    SELECT ranked.*, row_number() OVER (ORDER BY {ranking}) AS rank
    FROM {entries} AS ranked
    WHERE {is_entry}
) AS ranked
JOIN users ON users.user_id = ranked.user_id
WHERE ranked.rank > %(after)s
AND coalesce(ranked.updated_at >= %(since)s::timestamptz, TRUE)
ORDER BY ranked.rank
LIMIT %(limit)s

-- seek_places: reads places behind a rank, reached since; and the version
-- All are counted along the index of the ranking, as far as the last of these.
{with_board}
LEFT JOIN LATERAL ({places_of_users}) AS found ON TRUE
WHERE boards.board_id = %(board_id)s
ORDER BY found.rank

-- seek_named_places: reads the same of those with a part in the key of the name
-- They are looked for first, because a walk along the ranking would look up every user. After that they are `users`.
WITH users AS MATERIALIZED (
    SELECT user_id, username
    FROM users
    WHERE position(%(part)s IN coalesce(username_key, lower(username))) > 0
)
{with_board}
LEFT JOIN LATERAL ({places_of_users}) AS found ON TRUE
WHERE boards.board_id = %(board_id)s
ORDER BY found.rank
