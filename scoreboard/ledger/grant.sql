-- The statements of a batch of grants.
--
-- Those in braces are what `create_grant_batch` does, one after the other, and words within these. Their parameters
-- have names, like those of every other statement: PostgreSQL explains no function, so `fitness` has each of them
-- explained (`explained_…`). In the function the names are its own parameters and its variables.

-- {judging}: what is said of the submissions of users who are there, in an order of its own
-- Lists with a member for each: user and action; the code of a refusal, if there is one; the points, unless it is
-- refused. Then the actions that only servers may claim; the users who are hidden, and those who were corrected; and
-- whether all these points together could lift one of these users above the largest score. No list has DISTINCT or an
-- order of its own: the members that belong together would not stand at the same place, and from version 16 on
-- PostgreSQL sorts for that one what all of them read.
--
-- Whoever hides, bans or erases a user holds the user's row. This waits for that and reads the row anew, or has it
-- first, and then whoever hides the user finds what was granted. A disabled action is refused here; whether it was
-- granted before is asked by `original_grants`.
SELECT
    array_agg(user_id),
    array_agg(action_id),
    array_agg(refusal),
    array_agg(CASE WHEN refusal IS NULL THEN points END),
    array_agg(action_id) FILTER (WHERE is_servers),
    array_agg(user_id) FILTER (WHERE hidden),
    array_agg(user_id) FILTER (WHERE is_corrected),
    coalesce(max(score), 0) + sum(points) FILTER (WHERE refusal IS NULL) > 2147483647
FROM (
    SELECT
        users.user_id,
        submitted.action_id,
        CASE
            WHEN users.banned_at IS NOT NULL THEN 'banned'
            WHEN actions.action_id IS NULL THEN 'unknown_action'
            WHEN actions.claim = 'server' AND NOT submitted.by_server THEN 'not_claimable'
            WHEN actions.disabled_at IS NOT NULL THEN 'action_disabled'
        END AS refusal,
        actions.claim = 'server' AS is_servers,
        actions.points,
        coalesce(users.hidden_at, users.banned_at, users.erased_at) IS NOT NULL AS hidden,
        users.corrected_at IS NOT NULL AS is_corrected,
        scores.score
    FROM (
        SELECT
            unnest(%(user_ids)s::uuid[]) AS user_id,
            unnest(%(action_ids)s::text[]) AS action_id,
            unnest(%(by_server)s::boolean[]) AS by_server
    ) AS submitted
    JOIN users ON users.user_id = submitted.user_id
    LEFT JOIN actions ON actions.action_id = submitted.action_id
    LEFT JOIN scores ON scores.user_id = submitted.user_id
    ORDER BY users.user_id
    FOR KEY SHARE OF users
) AS judged

-- {judged}: the same, as rows
SELECT
    unnest(%(judged_users)s::uuid[]) AS user_id,
    unnest(%(judged_actions)s::text[]) AS action_id,
    unnest(%(refusals)s::text[]) AS refusal,
    unnest(%(judged_points)s::integer[]) AS points

-- {judging_scores}: the same lists, but those are refused with which their users would pass the largest score
-- They are refused alone. Of one user's submissions the smallest come first, so none is refused that fits beside those
-- that are granted. What was granted before adds nothing. It reads scores that it has not locked: a grant that is under
-- way elsewhere can still make the raise fail (22003), and then the batch is halved.
WITH judged AS MATERIALIZED (
    {judged}
),
reaching AS (
    SELECT
        judged.user_id,
        judged.action_id,
        coalesce(scores.score, 0)
        + sum(judged.points) OVER (PARTITION BY judged.user_id ORDER BY judged.points, judged.action_id) AS reached
    FROM judged
    LEFT JOIN scores ON scores.user_id = judged.user_id
    WHERE judged.refusal IS NULL
    AND NOT EXISTS (
        SELECT FROM ledger WHERE ledger.user_id = judged.user_id AND ledger.action_id = judged.action_id
    )
)
SELECT
    array_agg(user_id),
    array_agg(action_id),
    array_agg(CASE WHEN reached > 2147483647 THEN 'score_out_of_range' ELSE refusal END),
    array_agg(CASE WHEN reached > 2147483647 THEN NULL ELSE points END)
FROM judged
LEFT JOIN reaching USING (user_id, action_id)

-- {granting}: what is granted, and was not before: users, actions and points
-- A concurrent grant of the same pair makes the insert wait and then do nothing.
WITH granted AS (
    INSERT INTO ledger (user_id, action_id, points_granted, submitted_at)
    SELECT judged.user_id, judged.action_id, judged.points, %(moment)s::timestamptz
    FROM (
        {judged}
    ) AS judged
    WHERE judged.points IS NOT NULL
    ORDER BY judged.user_id, judged.action_id
    ON CONFLICT ON CONSTRAINT unique_user_action DO NOTHING
    RETURNING user_id, action_id, points_granted
)
SELECT array_agg(user_id), array_agg(action_id::text), array_agg(points_granted)
FROM granted

-- {granted}: the same, as rows
SELECT
    unnest(%(granted_users)s::uuid[]) AS user_id,
    unnest(%(granted_actions)s::text[]) AS action_id,
    unnest(%(granted_points)s::integer[]) AS points_granted

-- {raising}: which scores that makes, of which users; and those of them who reach the last score of `main`
-- scores.updated_at is read after the row's lock is held: it is when the score was reached.
WITH raised AS (
    INSERT INTO scores AS present (user_id, score, updated_at, hidden)
    SELECT user_id, sum(points_granted), clock_timestamp(), coalesce(user_id = ANY (%(hidden_users)s::uuid[]), FALSE)
    FROM (
        {granted}
    ) AS granted
    GROUP BY user_id
    ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE
    SET score = present.score + excluded.score, updated_at = clock_timestamp()
    RETURNING user_id, score, hidden
)
SELECT
    array_agg(user_id),
    array_agg(score),
    array_agg(user_id) FILTER (WHERE NOT hidden AND score >= coalesce(%(last_score)s::bigint, score))
FROM raised

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

-- {timing}: when a batch is granted, in which seasons, and whether nothing is: the written seasons of a board are over
-- The clock is read once, and never falls behind a season that has ended: what is granted belongs to the season that
-- contains this moment, which every row of the ledger keeps. Beyond what is written it would be counted in none.
SELECT
    now.moment,
    ARRAY(
        SELECT season_id
        FROM seasons
        WHERE state IN ('upcoming', 'running') AND starts_at <= now.moment AND coalesce(ends_at > now.moment, TRUE)
    ),
    EXISTS (SELECT FROM boards WHERE written_until <= now.moment)
FROM (SELECT {moment} AS moment) AS now

-- {counting}: counts what was granted on the boards other than `main`
-- It gives boards, and with each a user who reaches its last score; in JSON the versions of all boards that the batch
-- counts on; and whether a season is due.
WITH running AS MATERIALIZED (
    SELECT
        seasons.season_id,
        boards.board_id,
        boards.counts,
        boards.operator,
        boards.direction,
        boards.version,
        boards.tenth_score,
        boards.season_id IS NOT DISTINCT FROM seasons.season_id AS is_shown
    FROM seasons
    JOIN boards ON boards.board_id = seasons.board_id
    WHERE seasons.season_id = ANY (%(season_ids)s::integer[]) AND boards.board_id <> 'main'
),
submitted AS (
    SELECT DISTINCT unnest(%(action_ids)s::text[]) AS action_id
),
counting AS MATERIALIZED (
    SELECT running.*, submitted.action_id
    FROM running
    CROSS JOIN submitted
    WHERE running.counts = 'every'
    UNION ALL
    SELECT running.*, submitted.action_id
    FROM submitted
    JOIN board_actions ON board_actions.action_id = submitted.action_id
    JOIN running ON running.board_id = board_actions.board_id
    WHERE running.counts = 'listed'
),
counted AS MATERIALIZED (
    SELECT
        counting.season_id,
        counting.operator,
        granted.user_id,
        {kept_value} AS value,
        %(moment)s::timestamptz AS submitted_at,
        coalesce(granted.user_id = ANY (%(hidden_users)s::uuid[]), FALSE) AS hidden
    FROM (
        {granted}
    ) AS granted
    JOIN counting USING (action_id)
),
{entered},
reached AS (
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
    array_agg(board_id::text),
    array_agg(user_id),
    (SELECT json_object_agg(board_id, version) FROM (SELECT DISTINCT board_id, version FROM counting) AS seen),
    EXISTS (SELECT FROM running WHERE NOT is_shown)
FROM reached

-- explained_judging: what `fitness` has explained
{judging}

-- explained_judging_scores: the same
{judging_scores}

-- explained_granting: the same
{granting}

-- explained_raising: the same
{raising}

-- explained_timing: the same
{timing}

-- explained_counting: the same
{counting}

-- grant: grants a batch in one statement, which is a transaction
-- One text of JSON, which `ledger.batch` reads; null where `main` is gone.
SELECT grant_batch_{digest}(%(user_ids)s::uuid[], %(action_ids)s::text[], %(by_server)s::boolean[])

-- create_grant_batch: what `grant` calls
-- It is one function, because all of it then takes one round trip, and COMMIT with it. Each statement in it sees what
-- was committed when it begins, as in a transaction of several statements. They hand lists to each other instead
-- of being one plan, because PostgreSQL starts and ends each part of a plan also where there is nothing to do.
--
-- The lock comes before the first look: what is granted, and a turn of seasons, come one after the other; and a board
-- is added under the other side of the lock, so there are the same boards and seasons until COMMIT.
--
-- A warning that comes with the answer is the commit's, which did not wait for its replica. So none may come from here,
-- where triggers that somebody else made may warn.
--
-- Rows are locked in one fixed order (users by id, ledger by user and action, scores by user, entries of seasons that
-- add up by season and user, then of those that keep the best, then boards by id), so that batches of several instances
-- cannot deadlock. Within a statement the order is not left to the plan: a part that asks how many rows another one
-- wrote (`>= 0` is always true) begins when that one is over.
CREATE FUNCTION grant_batch_{digest} (user_ids uuid[], action_ids text[], by_server boolean[])
RETURNS text
LANGUAGE plpgsql SET client_min_messages = error AS $function$
#variable_conflict use_column
DECLARE
    main_version bigint;
    last_score bigint;
    has_others boolean;
    judged_users uuid[];
    judged_actions text[];
    refusals text[];
    judged_points integer[];
    server_actions text[];
    hidden_users uuid[];
    corrected_users uuid[];
    comes_near boolean;
    moment timestamptz;
    season_ids integer[];
    is_refused boolean := FALSE;
    granted_users uuid[];
    granted_actions text[];
    granted_points integer[];
    raised_users uuid[];
    raised_scores integer[];
    boards_reached text[];
    users_reaching uuid[];
    others json;
    others_reached text[];
    users_of_others uuid[];
    is_due boolean := FALSE;
    raised json;
BEGIN
    PERFORM pg_advisory_xact_lock_shared({seasons_lock});
    SELECT version, tenth_score, EXISTS (SELECT FROM boards WHERE board_id <> 'main')
    INTO main_version, last_score, has_others
    FROM boards
    WHERE board_id = 'main';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
{judging}
    INTO judged_users, judged_actions, refusals, judged_points,
        server_actions, hidden_users, corrected_users, comes_near;
    IF comes_near THEN
{judging_scores}
        INTO judged_users, judged_actions, refusals, judged_points;
    END IF;
    moment := clock_timestamp();
    IF has_others THEN
{timing}
        INTO moment, season_ids, is_refused;
    END IF;
    IF NOT is_refused THEN
{granting}
        INTO granted_users, granted_actions, granted_points;
    END IF;
    IF granted_users IS NOT NULL THEN
{raising}
        INTO raised_users, raised_scores, users_reaching;
    END IF;
    IF users_reaching IS NOT NULL THEN
        boards_reached := array_fill('main'::text, ARRAY[cardinality(users_reaching)]);
    END IF;
    IF has_others THEN
{counting}
        INTO others_reached, users_of_others, others, is_due;
        boards_reached := array_cat(boards_reached, others_reached);
        users_reaching := array_cat(users_reaching, users_of_others);
    END IF;
    IF corrected_users IS NOT NULL THEN
        SELECT array_cat(boards_reached, array_agg(board_id)), array_cat(users_reaching, array_agg(user_id::uuid))
        INTO boards_reached, users_reaching
        FROM count_corrected_{digest}(
            ARRAY(SELECT user_id FROM unnest(granted_users) AS granted (user_id) WHERE user_id = ANY (corrected_users))
        );
    END IF;
    IF users_reaching IS NOT NULL THEN
        raised := (SELECT json_agg(each) FROM raise_boards_{digest}(boards_reached, users_reaching) AS each);
    END IF;
    RETURN json_build_object(
        'users', judged_users,
        'actions', judged_actions,
        'refusals', refusals,
        'server_actions', server_actions,
        'granted_at', moment,
        'granted_users', granted_users,
        'granted_actions', granted_actions,
        'granted_points', granted_points,
        'raised_users', raised_users,
        'raised_scores', raised_scores,
        'main_version', main_version,
        'others', others,
        'is_refused', is_refused,
        'is_due', is_due,
        'raised', raised
    );
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
