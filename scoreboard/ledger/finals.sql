-- The statements of what is kept of seasons that have ended, at their end and after corrections.

-- {last_entries}: the last entries of the row of `seasons`, which is of the row of `boards`; nobody hidden is among them
-- `entries.is_kept` says whether they are kept, and not derived. It is asked once: what is kept may be over any moment.
(
    (
        SELECT ranked.user_id, ranked.score, ranked.updated_at
        FROM season_entries AS ranked
        WHERE entries.is_kept AND ranked.season_id = seasons.season_id AND NOT ranked.hidden
        ORDER BY {ranking}
        LIMIT {size_max}
    )
    UNION ALL
    (
        SELECT ranked.user_id, ranked.score, ranked.updated_at
        FROM {derived} AS ranked
        JOIN users ON users.user_id = ranked.user_id
        WHERE NOT entries.is_kept AND NOT {is_hidden}
        ORDER BY {ranking}
        LIMIT {size_max}
    )
)

-- {final}: what is kept of the row of `seasons`, and its digest
-- A digest is the SHA-256 of a line for each entry: its place, the user's id, the score as it is shown, and when it was
-- reached.
(
    SELECT
        coalesce(
            jsonb_agg(
                jsonb_build_object(
                    'userId', final.user_id,
                    'username', final.username,
                    'score', final.score,
                    'reachedAt', final.reached_at
                )
                ORDER BY final.place
            ),
            '[]'
        ) AS final,
        encode(
            sha256(
                convert_to(
                    coalesce(
                        string_agg(
                            concat_ws(' ', final.place, final.user_id, final.score, final.reached_at),
                            E'\n'
                            ORDER BY final.place
                        ),
                        ''
                    ),
                    'UTF8'
                )
            ),
            'hex'
        ) AS digest
    FROM (
        SELECT
            row_number() OVER (ORDER BY {ranking}) AS place,
            ranked.user_id,
            users.username,
            {shown_score} AS score,
            to_char(ranked.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS reached_at
        FROM {last_entries} AS ranked
        JOIN users ON users.user_id = ranked.user_id
    ) AS final
    WHERE final.place <= boards.size
)

-- {is_shown}: whether the row of `boards` shows the row of `seasons`: as its season, or as the one before
EXISTS (
    SELECT
    FROM seasons AS shown
    WHERE shown.season_id = boards.season_id AND seasons.number IN (shown.number, shown.previous_number)
)

-- close_seasons: keeps the last entries of seasons that have ended, and seals those whose grace is over
-- It says of each whether its board shows it.
WITH closing AS MATERIALIZED (
    SELECT
        seasons.season_id,
        seasons.closes_at <= %(moment)s AS is_over,
        {is_shown} AS is_shown,
        kept.final,
        kept.digest
    FROM seasons
    JOIN boards ON boards.board_id = seasons.board_id
    CROSS JOIN (SELECT TRUE AS is_kept) AS entries
    CROSS JOIN LATERAL {final} AS kept
    WHERE seasons.state = 'ended' AND (seasons.final IS NULL OR seasons.closes_at <= %(moment)s)
)
UPDATE seasons
SET
    final = closing.final,
    digest = CASE WHEN closing.is_over THEN closing.digest END,
    state = CASE WHEN closing.is_over THEN 'final' ELSE 'ended' END
FROM closing
WHERE seasons.season_id = closing.season_id
RETURNING seasons.board_id, closing.is_shown

-- {named}: the seasons whose final boards name one of these users
SELECT seasons.season_id
FROM unnest(%(user_ids)s::uuid[]) AS asked (user_id)
JOIN seasons ON seasons.final @> jsonb_build_array(jsonb_build_object('userId', asked.user_id))

-- hold_named: holds the seasons whose final boards name one of these users
SELECT season_id
FROM seasons
WHERE season_id IN ({named})
ORDER BY season_id
FOR NO KEY UPDATE

-- hold_finals: holds the seasons whose final boards name one of these users, or have room for what one of them reached
-- A user took part where something was granted or recorded, or corrected. So nothing depends on entries, which may be
-- gone. `below` is the last line; whoever has its score may stand before it. What is derived is derived of these users
-- alone, because the first three hide the tables.
WITH ledger AS MATERIALIZED (
    SELECT * FROM ledger WHERE user_id = ANY (%(user_ids)s::uuid[])
),
results AS MATERIALIZED (
    SELECT * FROM results WHERE user_id = ANY (%(user_ids)s::uuid[])
),
corrections AS MATERIALIZED (
    SELECT * FROM corrections WHERE user_id = ANY (%(user_ids)s::uuid[])
),
took_part AS MATERIALIZED (
    SELECT ledger.user_id, during.season_id
    FROM ledger
    CROSS JOIN boards
    CROSS JOIN LATERAL (
        SELECT seasons.season_id
        FROM seasons
        WHERE seasons.board_id = boards.board_id AND seasons.starts_at <= ledger.submitted_at
        ORDER BY seasons.starts_at DESC
        LIMIT 1
    ) AS during
    WHERE boards.board_id <> 'main' AND boards.counts <> 'results'
    UNION
    SELECT user_id, season_id FROM results
    UNION
    SELECT user_id, season_id FROM corrections
)
SELECT season_id
FROM seasons
WHERE season_id IN (
    {named}
    UNION
    SELECT seasons.season_id
    FROM took_part
    JOIN users ON users.user_id = took_part.user_id
    JOIN seasons ON seasons.season_id = took_part.season_id
    JOIN boards ON boards.board_id = seasons.board_id
    CROSS JOIN LATERAL (SELECT (seasons.final -> -1 ->> 'score')::bigint AS score) AS below
    CROSS JOIN LATERAL (
        SELECT ranked.score FROM {derived} AS ranked WHERE ranked.user_id = took_part.user_id
    ) AS ranked
    WHERE seasons.final IS NOT NULL
    AND NOT {is_hidden}
    AND (
        jsonb_array_length(seasons.final) < boards.size
        OR CASE boards.direction WHEN 'low' THEN {shown_score} <= below.score ELSE {shown_score} >= below.score END
    )
)
ORDER BY season_id
FOR NO KEY UPDATE

-- hold_season: holds a season of a board if it has ended
SELECT season_id
FROM seasons
WHERE board_id = %(board_id)s AND number = %(number)s AND final IS NOT NULL
FOR NO KEY UPDATE

-- renew_finals: writes anew what is kept of these seasons, which are held, where it is another; says of each whether its
-- board shows it
WITH asked AS MATERIALIZED (
    SELECT seasons.season_id, {is_kept} AS is_kept
    FROM seasons
    JOIN boards ON boards.board_id = seasons.board_id
    WHERE seasons.season_id = ANY (%(season_ids)s)
),
renewed AS MATERIALIZED (
    SELECT
        seasons.season_id,
        {is_shown} AS is_shown,
        kept.final,
        kept.digest
    FROM asked AS entries
    JOIN seasons ON seasons.season_id = entries.season_id
    JOIN boards ON boards.board_id = seasons.board_id
    CROSS JOIN LATERAL {final} AS kept
)
UPDATE seasons
SET
    final = renewed.final,
    digest = CASE seasons.state WHEN 'final' THEN renewed.digest END
FROM renewed
WHERE seasons.season_id = renewed.season_id AND seasons.final <> renewed.final
RETURNING seasons.board_id, renewed.is_shown

-- name_finals: gives the lines of these seasons, which are held, the names of today; says of each whether its board
-- shows it
-- Digests have no names in them.
WITH named AS MATERIALIZED (
    SELECT
        seasons.season_id,
        {is_shown} AS is_shown,
        (
            SELECT
                jsonb_agg(
                    line.entry || jsonb_build_object('username', coalesce(users.username, line.entry ->> 'username'))
                    ORDER BY line.place
                )
            FROM jsonb_array_elements(seasons.final) WITH ORDINALITY AS line (entry, place)
            LEFT JOIN users ON users.user_id = (line.entry ->> 'userId')::uuid
        ) AS final
    FROM seasons
    JOIN boards ON boards.board_id = seasons.board_id
    WHERE seasons.season_id = ANY (%(season_ids)s)
)
UPDATE seasons
SET final = named.final
FROM named
WHERE seasons.season_id = named.season_id AND seasons.final <> named.final
RETURNING seasons.board_id, named.is_shown

-- derive_final: the last entries of a season that has ended, derived, as `final` keeps them
SELECT
    ranked.user_id::text,
    {shown_score},
    ranked.updated_at
FROM boards
JOIN seasons ON seasons.board_id = boards.board_id
CROSS JOIN (SELECT FALSE AS is_kept) AS entries
CROSS JOIN LATERAL {last_entries} AS ranked
WHERE boards.board_id = %(board_id)s AND seasons.number = %(number)s
ORDER BY {ranking}
LIMIT (SELECT size FROM boards WHERE boards.board_id = %(board_id)s)

-- hold_shown: locks these boards in the order in which everybody does
SELECT board_id FROM boards WHERE board_id = ANY (%(board_ids)s) ORDER BY board_id FOR UPDATE

-- raise_shown: raises the versions of these boards, which are locked, because what they show of seasons is another
UPDATE boards
SET version = version + 1, changed_at = clock_timestamp()
WHERE board_id = ANY (%(board_ids)s)
