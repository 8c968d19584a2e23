-- The statements of results, which servers send with receipts.

-- record_results: records results in one statement; a row for each says what became of it
-- The lock comes before the snapshot, as for grants; and so do the locks of users, so that what was done to them before
-- is seen: hidden, banned, corrected.
SELECT pg_advisory_xact_lock_shared({seasons_lock});
EXECUTE hold_players (%(sources)s::text[], %(receipts)s::text[], %(user_ids)s::uuid[]);
EXECUTE record_results (
    %(sources)s::text[],
    %(receipts)s::text[],
    %(user_ids)s::uuid[],
    %(board_ids)s::text[],
    %(values)s::bigint[],
    %(played)s::timestamptz[]
)

-- prepare_hold_players: what `record_results` executes first
-- Results of one user come one after the other, grants beside them. What was recorded before holds nobody.
PREPARE hold_players (text[], text[], uuid[]) AS
SELECT user_id
FROM users
WHERE user_id IN (
    SELECT sent.user_id
    FROM unnest($1, $2, $3) AS sent (source, receipt, user_id)
    WHERE NOT EXISTS (
        SELECT FROM results WHERE results.source = sent.source AND results.receipt = sent.receipt
    )
)
ORDER BY user_id
FOR NO KEY UPDATE

-- prepare_record_results: what `record_results` executes then
-- A season is found by the moment at which a result was played. It counts until it closes, whether or not a turn has
-- come to that. Of several that have one receipt the first that can be recorded is. The receipts that another
-- transaction is recording are waited for, and not recorded again.
--
-- Rows are locked in the order of grants: receipts, then scores by user, entries of seasons that add up, those of
-- seasons that keep the best. `results` of other statements never change, so what is read of them holds.
--
-- Of a user whose score in a season was corrected the best is counted anew after this (`count_corrected`).
PREPARE record_results (text[], text[], uuid[], text[], bigint[], timestamptz[]) AS
WITH clock AS MATERIALIZED (
    SELECT {moment} AS moment
),
sent AS MATERIALIZED (
    SELECT sent.*, results.result_id IS NOT NULL AS is_repeated
    FROM unnest($1, $2, $3, $4, $5, $6) WITH ORDINALITY
        AS sent (source, receipt, user_id, board_id, value, played_at, place)
    LEFT JOIN results ON results.source = sent.source AND results.receipt = sent.receipt
),
judged AS MATERIALIZED (
    SELECT
        sent.place,
        sent.source,
        sent.receipt,
        sent.user_id,
        sent.value,
        played.at AS played_at,
        clock.moment,
        boards.board_id,
        boards.operator,
        boards.version,
        boards.tenth_score,
        boards.value_min,
        boards.value_max,
        CASE boards.direction WHEN 'low' THEN -sent.value ELSE sent.value END AS kept,
        seasons.season_id,
        seasons.number,
        seasons.final IS NOT NULL AS is_late,
        boards.season_id IS NOT DISTINCT FROM seasons.season_id AS is_shown,
        coalesce(seasons.ends_at > clock.moment, TRUE) AS is_running,
        coalesce(boards.closed_at IS NULL AND boards.written_until <= clock.moment, FALSE) AS is_unwritten,
        {is_hidden} AS hidden,
        users.corrected_at IS NOT NULL AND boards.operator = 'best' AS is_corrected,
        CASE
            WHEN sent.is_repeated THEN 'repeated'
            WHEN users.user_id IS NULL OR users.erased_at IS NOT NULL THEN 'unknown_user'
            WHEN users.banned_at IS NOT NULL THEN 'banned'
            WHEN boards.board_id IS NULL THEN 'unknown_board'
            WHEN boards.closed_at IS NOT NULL THEN 'board_closed'
            WHEN sent.played_at > clock.moment + interval '60 seconds' THEN 'played_in_future'
            WHEN sent.value NOT BETWEEN boards.value_min AND boards.value_max THEN 'value_out_of_range'
            WHEN seasons.season_id IS NULL THEN 'no_season'
            WHEN seasons.state = 'final' OR seasons.closes_at <= clock.moment THEN 'season_closed'
        END AS refusal
    FROM sent
    CROSS JOIN clock
    CROSS JOIN LATERAL (SELECT least(coalesce(sent.played_at, clock.moment), clock.moment) AS at) AS played
    LEFT JOIN users ON NOT sent.is_repeated AND users.user_id = sent.user_id
    LEFT JOIN boards ON NOT sent.is_repeated AND boards.board_id = sent.board_id
    LEFT JOIN LATERAL (
        SELECT *
        FROM seasons
        WHERE seasons.board_id = boards.board_id AND seasons.starts_at <= played.at
        ORDER BY seasons.starts_at DESC
        LIMIT 1
    ) AS seasons ON coalesce(seasons.ends_at > played.at, TRUE)
),
recorded AS (
    INSERT INTO results (source, receipt, user_id, board_id, season_id, value, played_at, recorded_at)
    SELECT DISTINCT ON (source, receipt) source, receipt, user_id, board_id, season_id, value, played_at, moment
    FROM judged
    WHERE refusal IS NULL AND NOT EXISTS (SELECT FROM judged WHERE is_unwritten)
    ORDER BY source, receipt, place
    ON CONFLICT ON CONSTRAINT results_receipt DO NOTHING
    RETURNING source, receipt
),
counted AS MATERIALIZED (
    SELECT DISTINCT ON (source, receipt) judged.*
    FROM judged
    JOIN recorded USING (source, receipt)
    WHERE judged.refusal IS NULL
    ORDER BY source, receipt, place
),
raised AS (
    INSERT INTO scores AS present (user_id, score, updated_at, hidden)
    SELECT user_id, sum(kept), max(played_at), bool_or(hidden)
    FROM counted
    WHERE board_id = 'main'
    GROUP BY user_id
    ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE
    SET score = present.score + excluded.score, updated_at = greatest(present.updated_at, excluded.updated_at)
    RETURNING user_id, score
),
added AS (
    INSERT INTO season_entries AS present (season_id, user_id, score, updated_at, hidden)
    SELECT season_id, user_id, sum(kept), max(played_at), bool_or(hidden)
    FROM counted
    WHERE board_id <> 'main' AND operator = 'sum' AND (SELECT count(*) FROM raised) >= 0
    GROUP BY season_id, user_id
    ORDER BY season_id, user_id
    ON CONFLICT (user_id, season_id) DO UPDATE
    SET score = present.score + excluded.score, updated_at = greatest(present.updated_at, excluded.updated_at)
    RETURNING season_id, user_id, score
),
bettered AS (
    INSERT INTO season_entries AS present (season_id, user_id, score, updated_at, hidden)
    SELECT DISTINCT ON (season_id, user_id) season_id, user_id, kept, played_at, hidden
    FROM counted
    WHERE operator = 'best' AND (SELECT count(*) FROM added) >= 0
    ORDER BY season_id, user_id, kept DESC, played_at
    ON CONFLICT (user_id, season_id) DO UPDATE
    SET score = excluded.score, updated_at = excluded.updated_at
    WHERE (present.score, excluded.updated_at) < (excluded.score, present.updated_at)
    RETURNING season_id, user_id, score
)
SELECT
    judged.place - 1,
    judged.refusal,
    counted.place IS NOT NULL AS is_recorded,
    judged.user_id::text,
    judged.board_id,
    judged.season_id,
    judged.number,
    judged.value,
    judged.played_at,
    judged.moment,
    judged.value_min,
    judged.value_max,
    judged.version,
    judged.is_late,
    judged.is_corrected,
    entered.score,
    judged.is_shown AND NOT judged.hidden AND coalesce(entered.score >= judged.tenth_score, entered.score IS NOT NULL) AS is_reaching,
    judged.is_running AND NOT judged.is_shown AS is_due,
    judged.is_unwritten
FROM judged
LEFT JOIN counted USING (place)
LEFT JOIN LATERAL (
    SELECT score::bigint FROM raised WHERE counted.board_id = 'main' AND raised.user_id = counted.user_id
    UNION ALL
    SELECT entries.score
    FROM (SELECT * FROM added UNION ALL SELECT * FROM bettered) AS entries
    WHERE entries.season_id = counted.season_id AND entries.user_id = counted.user_id
) AS entered ON TRUE
ORDER BY judged.place

-- read_results: reads what was recorded under receipts, since when it counts nowhere, and the version of its board
-- Of a user who was erased nobody is told under which id the results are kept.
SELECT
    results.source,
    results.receipt,
    CASE WHEN users.erased_at IS NULL THEN results.user_id::text END,
    results.board_id,
    seasons.number,
    results.value,
    results.played_at,
    results.recorded_at,
    (SELECT corrections.made_at FROM corrections WHERE corrections.result_id = results.result_id),
    (SELECT boards.version FROM boards WHERE boards.board_id = results.board_id)
FROM unnest(%(sources)s::text[], %(receipts)s::text[]) AS sent (source, receipt)
JOIN results ON results.source = sent.source AND results.receipt = sent.receipt
JOIN seasons ON seasons.season_id = results.season_id
JOIN users ON users.user_id = results.user_id
