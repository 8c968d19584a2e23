-- The statements of a batch of grants.

-- {judging}: what is said of each submission
-- Whoever hides, bans or erases a user holds the user's row. `players` waits for that and reads the row anew, or has it
-- first, and then whoever hides the user finds what was granted. A disabled action is refused here; whether it was
-- granted before is asked by `original_grants`.
players AS MATERIALIZED (
    SELECT
        user_id,
        banned_at IS NOT NULL AS is_banned,
        coalesce(hidden_at, banned_at, erased_at) IS NOT NULL AS hidden,
        corrected_at IS NOT NULL AS is_corrected
    FROM users
    WHERE user_id = ANY ($1)
    ORDER BY user_id
    FOR KEY SHARE
),
judged AS MATERIALIZED (
    SELECT
        submitted.place,
        submitted.user_id,
        submitted.action_id,
        actions.points,
        CASE
            WHEN players.user_id IS NULL THEN 'unknown_user'
            WHEN players.is_banned THEN 'banned'
            WHEN actions.action_id IS NULL THEN 'unknown_action'
            WHEN actions.claim = 'server' AND NOT submitted.by_server THEN 'not_claimable'
            WHEN actions.disabled_at IS NOT NULL THEN 'action_disabled'
            WHEN submitted.place = ANY ($4) THEN 'score_out_of_range'
        END AS refusal,
        coalesce(actions.claim = 'server', FALSE) AS is_servers,
        players.hidden,
        players.is_corrected
    FROM unnest($1, $2, $3) WITH ORDINALITY AS submitted (user_id, action_id, by_server, place)
    LEFT JOIN actions ON actions.action_id = submitted.action_id
    LEFT JOIN players ON players.user_id = submitted.user_id
)

-- {points_asked}: the points of all actions of the batch
(SELECT coalesce(sum(actions.points), 0) FROM actions WHERE action_id = ANY ($2))

-- {comes_near}: whether the highest score of all and the points of the batch pass the largest score together
{points_asked} + coalesce(
    greatest((SELECT max(score) FROM scores WHERE NOT hidden), (SELECT max(score) FROM scores WHERE hidden)), 0
) > 2147483647

-- {too_much}: the places of the submissions with which their users would pass the largest score
-- They are refused alone. Of one user's submissions the smallest come first, so none is refused that fits beside those
-- that are granted. What was granted before adds nothing. It reads scores that it has not locked: a grant that is under
-- way elsewhere can still make `raised` fail (22003), and then the batch is halved.
WITH {judging}
SELECT place
FROM (
    SELECT
        judged.place,
        coalesce(scores.score, 0)
        + sum(judged.points) OVER (PARTITION BY judged.user_id ORDER BY judged.points, judged.action_id) AS reached
    FROM judged
    LEFT JOIN scores ON scores.user_id = judged.user_id
    WHERE judged.refusal IS NULL
    AND NOT EXISTS (
        SELECT FROM ledger WHERE ledger.user_id = judged.user_id AND ledger.action_id = judged.action_id
    )
) AS reaching
WHERE reached > 2147483647

-- {granting}: what is granted on `main`, at the moment of `clock`
-- A concurrent grant of the same pair makes the insert wait and then do nothing. scores.updated_at is read after the
-- row's lock is held: it is when the score was reached.
granted AS (
    INSERT INTO ledger (user_id, action_id, points_granted, submitted_at)
    SELECT judged.user_id, judged.action_id, judged.points, clock.moment
    FROM judged
    CROSS JOIN clock
    WHERE judged.refusal IS NULL AND NOT clock.is_refused
    ORDER BY judged.user_id, judged.action_id
    ON CONFLICT ON CONSTRAINT unique_user_action DO NOTHING
    RETURNING user_id, action_id, points_granted, submitted_at
),
raised AS (
    INSERT INTO scores AS present (user_id, score, updated_at, hidden)
    SELECT user_id, sum(points_granted), clock_timestamp(), players.hidden
    FROM granted
    JOIN players USING (user_id)
    GROUP BY user_id, players.hidden
    ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE
    SET score = present.score + excluded.score, updated_at = clock_timestamp()
    RETURNING user_id, score, hidden
)

-- {answered}: what became of each submission, in the order in which they were sent
-- The verdict is `granted`, the code of a refusal, or null, which means granted before. Of a disabled action it does not
-- say whether that was granted before.
answered AS (
    SELECT
        judged.place,
        judged.user_id,
        CASE WHEN granted.user_id IS NOT NULL THEN 'granted' ELSE judged.refusal END AS verdict,
        judged.is_servers,
        granted.points_granted,
        granted.submitted_at,
        raised.score,
        judged.is_corrected AND granted.user_id IS NOT NULL AS is_corrected,
        coalesce(NOT raised.hidden AND raised.score >= coalesce(main.tenth_score, raised.score), FALSE) AS reaches_main,
        main.version
    FROM judged
    LEFT JOIN granted USING (user_id, action_id)
    LEFT JOIN raised ON raised.user_id = granted.user_id
    JOIN boards AS main ON main.board_id = 'main'
    ORDER BY judged.place
)

-- {answers}: the same in one row: lists with a member for each submission, and what is said of the whole batch
-- None has DISTINCT or an order of its own: from version 16 on PostgreSQL sorts for that one what all of them read, and
-- each submission would get another one's answer. So a user may stand twice among those who were corrected.
array_agg(verdict),
array_agg(is_servers),
array_agg(points_granted),
array_agg(score),
max(submitted_at),
max(version),
array_agg(user_id) FILTER (WHERE is_corrected)

-- {answers_into}: what the function calls these: columns of its row, and the users to be counted anew
verdicts,
are_servers,
points,
scores,
granted_at,
main_version,
corrected

-- {entered}: adds what is `counted` to the entries of seasons
-- That is, for each season, its operator, users, whether each is hidden, values and moments. An entry of the best that
-- was corrected is counted anew after this (`count_corrected`).
added AS (
    INSERT INTO season_entries AS present (season_id, user_id, score, updated_at, hidden)
    SELECT season_id, user_id, sum(value), max(submitted_at), hidden
    FROM counted
    WHERE operator = 'sum'
    GROUP BY season_id, user_id, hidden
    ORDER BY season_id, user_id
    ON CONFLICT (user_id, season_id) DO UPDATE
    SET score = present.score + excluded.score, updated_at = greatest(present.updated_at, excluded.updated_at)
    RETURNING season_id, user_id, score, hidden
),
bettered AS (
    INSERT INTO season_entries AS present (season_id, user_id, score, updated_at, hidden)
    SELECT season_id, user_id, max(value), max(submitted_at), hidden
    FROM counted
    WHERE operator = 'best' AND (SELECT count(*) FROM added) >= 0
    GROUP BY season_id, user_id, hidden
    ORDER BY season_id, user_id
    ON CONFLICT (user_id, season_id) DO UPDATE
    SET score = excluded.score, updated_at = excluded.updated_at
    WHERE (present.score, excluded.updated_at) < (excluded.score, present.updated_at)
    RETURNING season_id, user_id, score, hidden
)

-- {grant_on_all}: grants a batch, which may count on every board
-- The clock is read once, and never falls behind a season that has ended: what is granted belongs to the season that
-- contains this moment, which every row of the ledger keeps. Where the written seasons of a board are over, nothing is
-- granted (`is_refused`), because it would be counted in none.
WITH clock AS MATERIALIZED (
    SELECT now.moment, EXISTS (SELECT FROM boards WHERE written_until <= now.moment) AS is_refused
    FROM (SELECT {moment} AS moment) AS now
),
{judging},
{granting},
running AS MATERIALIZED (
    SELECT
        seasons.season_id,
        boards.board_id,
        boards.counts,
        boards.operator,
        boards.direction,
        boards.version,
        boards.tenth_score,
        boards.season_id IS NOT DISTINCT FROM seasons.season_id AS is_shown
    FROM clock
    JOIN seasons
        ON seasons.state IN ('upcoming', 'running')
        AND seasons.starts_at <= clock.moment
        AND coalesce(seasons.ends_at > clock.moment, TRUE)
    JOIN boards ON boards.board_id = seasons.board_id
    WHERE boards.board_id <> 'main'
),
counting AS MATERIALIZED (
    SELECT running.*, judged.user_id, judged.action_id, judged.hidden
    FROM running
    CROSS JOIN judged
    WHERE running.counts = 'every'
    UNION ALL
    SELECT running.*, judged.user_id, judged.action_id, judged.hidden
    FROM judged
    JOIN board_actions ON board_actions.action_id = judged.action_id
    JOIN running ON running.board_id = board_actions.board_id
    WHERE running.counts = 'listed'
),
counted AS MATERIALIZED (
    SELECT
        counting.season_id,
        counting.operator,
        granted.user_id,
        {kept_value} AS value,
        granted.submitted_at,
        counting.hidden
    FROM granted
    JOIN counting USING (user_id, action_id)
    WHERE (SELECT count(*) FROM raised) >= 0
),
{entered},
{answered},
reached AS (
    SELECT 'main' AS board_id, user_id FROM answered WHERE reaches_main
    UNION ALL
    -- A full join is never done by nested loops, whatever the plan of a small installation knew of a large one.
    SELECT shown.board_id, entered.user_id
    FROM (
        SELECT * FROM added WHERE NOT hidden UNION ALL SELECT * FROM bettered WHERE NOT hidden
    ) AS entered
    FULL JOIN (SELECT * FROM running WHERE is_shown) AS shown USING (season_id)
    WHERE coalesce(
        entered.score >= shown.tenth_score, entered.score IS NOT NULL AND shown.board_id IS NOT NULL
    )
)
SELECT
    {answers},
    (SELECT array_agg(board_id) FROM reached),
    (SELECT array_agg(user_id) FROM reached),
    (SELECT json_object_agg(board_id, version)::text FROM (SELECT DISTINCT board_id, version FROM counting) AS seen),
    (SELECT is_refused FROM clock),
    EXISTS (SELECT FROM running WHERE NOT is_shown)
FROM answered

-- {grant_on_main}: grants a batch, which counts on `main` alone
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS moment, FALSE AS is_refused
),
{judging},
{granting},
{answered}
SELECT
    {answers},
    array_agg(user_id) FILTER (WHERE reaches_main)
FROM answered

-- explained_on_all: the statement that grants on all boards, for `fitness` alone, because PostgreSQL explains no function
PREPARE explained_on_all (uuid[], text[], boolean[], bigint[]) AS
{grant_on_all}

-- explained_on_main: the same of the statement that grants on `main` alone
PREPARE explained_on_main (uuid[], text[], boolean[], bigint[]) AS
{grant_on_main}

-- explained_too_much: the same of the look at scores that come near the largest
PREPARE explained_too_much (uuid[], text[], boolean[], bigint[]) AS
{too_much}

-- grant: grants a batch in one statement, which is a transaction
-- One row: lists with a member for each submission; when what was granted was granted; the version of `main`, and of the
-- other boards that the batch counts on; whether the seasons of a board are over (and nothing was granted), and whether
-- one is due; and the boards that somebody reached, as `raise_boards` returns them. No row where `main` is gone.
SELECT * FROM grant_batch_{digest}(%(user_ids)s::uuid[], %(action_ids)s::text[], %(by_server)s::boolean[])

-- create_grant_batch: what `grant` calls
-- It is one function, because all of it then takes one round trip, and COMMIT with it. Each statement in it sees what
-- was committed when it begins, as in a transaction of several statements.
--
-- The lock comes before the first look: what is granted, and a turn of seasons, come one after the other; and a board is
-- added under the other side of the lock, so what is found of boards holds until COMMIT. Where `main` is the only one,
-- a shorter statement grants, because PostgreSQL starts and ends each part of a plan even where there is nothing to do.
--
-- A warning that comes with the answer is the commit's, which did not wait for its replica. So none may come from here,
-- where triggers that somebody else made may warn.
--
-- Rows are locked in one fixed order (users by id, ledger by user and action, scores by user, entries of seasons that
-- add up by season and user, then of those that keep the best, then boards by id), so that batches of several instances
-- cannot deadlock. The order is not left to the plan: a part that asks how many rows another one wrote (`>= 0` is
-- always true) begins when that one is over.
--
-- The fourth parameter is given by the function itself: the places of submissions that are `too_much`. It is a parameter
-- because its number can also stand where `fitness` has a statement explained.
--
-- Some columns of the row have the names of tables and columns. In a statement those come first (`use_column`).
CREATE FUNCTION grant_batch_{digest} (uuid[], text[], boolean[], bigint[] DEFAULT '{}')
RETURNS TABLE (
    verdicts text[],
    are_servers boolean[],
    points integer[],
    scores integer[],
    granted_at timestamptz,
    main_version bigint,
    others text,
    is_refused boolean,
    is_due boolean,
    raised text
)
LANGUAGE plpgsql SET client_min_messages = error AS $function$
#variable_conflict use_column
DECLARE
    has_main boolean;
    has_others boolean;
    comes_near boolean;
    corrected uuid[];
    boards_reached text[];
    users_reaching uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared({seasons_lock});
    SELECT
        coalesce(bool_or(board_id = 'main'), FALSE),
        coalesce(bool_or(board_id <> 'main'), FALSE),
        {comes_near}
    INTO has_main, has_others, comes_near
    FROM boards;
    IF NOT has_main THEN
        RETURN;
    END IF;
    is_refused := FALSE;
    is_due := FALSE;
    IF comes_near THEN
        -- It may be the score of somebody else, who stays there for good.
        SELECT {points_asked} + coalesce(max(score), 0) > 2147483647
        INTO comes_near
        FROM scores
        WHERE user_id = ANY ($1);
    END IF;
    IF comes_near THEN
        $4 := ARRAY(
{too_much}
        );
    END IF;
    IF has_others THEN
{grant_on_all}
    INTO {answers_into}, boards_reached, users_reaching, others, is_refused, is_due;
    ELSE
{grant_on_main}
    INTO {answers_into}, users_reaching;
    boards_reached := array_fill('main'::text, ARRAY[coalesce(cardinality(users_reaching), 0)]);
    END IF;
    IF corrected IS NOT NULL THEN
        SELECT array_cat(boards_reached, array_agg(board_id)), array_cat(users_reaching, array_agg(user_id::uuid))
        INTO boards_reached, users_reaching
        FROM count_corrected_{digest}(corrected);
    END IF;
    IF users_reaching IS NOT NULL THEN
        raised := (
            SELECT json_agg(each)::text FROM raise_boards_{digest}(boards_reached, users_reaching) AS each
        );
    END IF;
    RETURN NEXT;
END
$function$

-- count_corrected: counts these users' entries anew that keep the best and were corrected, in seasons that are not final
SELECT * FROM count_corrected_{digest}(%(user_ids)s::uuid[])

-- create_count_corrected: what `count_corrected` calls
-- Whoever adds to an entry holds it until COMMIT. So what others added before is committed and seen once the entries are
-- held, and who comes later counts what is added here.
CREATE FUNCTION count_corrected_{digest} (uuid[])
RETURNS TABLE (board_id text, user_id text, score bigint)
LANGUAGE plpgsql AS $function$
#variable_conflict use_column
DECLARE
    held_seasons integer[];
    held_users uuid[];
BEGIN
    SELECT array_agg(season_id), array_agg(user_id)
    INTO held_seasons, held_users
    FROM (
        SELECT season_entries.season_id, season_entries.user_id
        FROM season_entries
        JOIN seasons ON seasons.season_id = season_entries.season_id
        JOIN boards ON boards.board_id = seasons.board_id
        WHERE season_entries.user_id = ANY ($1)
        AND boards.operator = 'best'
        AND seasons.state <> 'final'
        AND EXISTS (
            SELECT
            FROM corrections
            WHERE corrections.season_id = season_entries.season_id
            AND corrections.user_id = season_entries.user_id
            AND num_nonnulls(corrections.ledger_id, corrections.result_id) = 0
        )
        ORDER BY season_entries.season_id, season_entries.user_id
        FOR NO KEY UPDATE OF season_entries
    ) AS held;
    RETURN QUERY
    UPDATE season_entries
    SET score = derived.score, updated_at = derived.updated_at
    FROM unnest(held_seasons, held_users) AS held (season_id, user_id)
    JOIN seasons ON seasons.season_id = held.season_id
    JOIN boards ON boards.board_id = seasons.board_id
    CROSS JOIN LATERAL (
        SELECT * FROM {derived} AS derived WHERE derived.user_id = ANY ($1)
    ) AS derived
    WHERE derived.user_id = held.user_id
    AND season_entries.season_id = held.season_id
    AND season_entries.user_id = held.user_id
    RETURNING boards.board_id::text, held.user_id::text, season_entries.score;
END
$function$

-- original_grants: finds what was granted before, for the refusals
SELECT ledger.user_id::text, ledger.action_id, ledger.points_granted, ledger.submitted_at
FROM unnest(%(user_ids)s::uuid[], %(action_ids)s::text[]) AS refused (user_id, action_id)
JOIN ledger USING (user_id, action_id)

-- owners_of_ids: finds the action that each of these ids belongs to now, as a former id or as its own, which counts
-- A rename that was undone since may have made it its own again.
SELECT former_id, action_id FROM former_action_ids WHERE former_id = ANY (%(action_ids)s::text[])
UNION ALL
SELECT action_id, action_id FROM actions WHERE action_id = ANY (%(action_ids)s::text[])

-- locked_users: names those of these users whose rows somebody else holds, without waiting for them
WITH asked AS MATERIALIZED (
    SELECT DISTINCT user_id FROM unnest(%(user_ids)s::uuid[]) AS asked (user_id)
),
free_users AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_id IN (SELECT user_id FROM asked) FOR KEY SHARE SKIP LOCKED
),
free_scores AS MATERIALIZED (
    SELECT user_id FROM scores WHERE user_id IN (SELECT user_id FROM asked) FOR NO KEY UPDATE SKIP LOCKED
)
SELECT user_id::text
FROM asked
JOIN users USING (user_id)
LEFT JOIN scores USING (user_id)
WHERE user_id NOT IN (SELECT user_id FROM free_users)
OR scores.user_id IS NOT NULL AND user_id NOT IN (SELECT user_id FROM free_scores)
