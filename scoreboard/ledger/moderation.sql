-- The statements of what is done to users, scores and receipts, each with a row of the audit.

-- read_audited: reads what was done when this was asked before
SELECT audit_id, act, user_id::text, at
FROM audit
WHERE made_by = %(made_by)s AND request_id = %(request_id)s

-- write_audit: writes down what is done; no row if this was asked before
-- Its trigger numbers and chains the rows, and lets them take turns until COMMIT.
INSERT INTO audit (made_by, act, user_id, board_id, season, details, reason, request_id)
VALUES (
    %(made_by)s,
    %(act)s,
    %(user_id)s,
    %(board_id)s,
    %(season)s,
    %(details)s::jsonb,
    %(reason)s,
    %(request_id)s
)
ON CONFLICT ON CONSTRAINT audit_request DO NOTHING
RETURNING audit_id, at

-- write_names: keeps the names of a rename apart from the audit, so that they can go with the user
INSERT INTO audit_names (audit_id, user_id, before, after)
SELECT %(audit_id)s, user_id, username, %(username)s FROM users WHERE user_id = %(user_id)s::uuid

-- hide_user: notes since when a user is hidden
-- Who was erased is hidden on boards that run, and whoever is hidden before that is hidden on final ones too.
UPDATE users
SET
    hidden_at = coalesce(least(hidden_at, erased_at - interval '1 microsecond'), clock_timestamp()),
    updated_at = now()
WHERE user_id = %(user_id)s::uuid

-- show_user: hides a user no longer; one who was erased only where their lines stay
UPDATE users SET hidden_at = erased_at, updated_at = now() WHERE user_id = %(user_id)s::uuid

-- ban_user: notes since when a user is banned
UPDATE users
SET banned_at = coalesce(banned_at, clock_timestamp()), updated_at = now()
WHERE user_id = %(user_id)s::uuid

-- unban_user: bans a user no longer
UPDATE users SET banned_at = NULL, updated_at = now() WHERE user_id = %(user_id)s::uuid

-- hide_entries: hides all entries of a user, or shows them, as the user's row says
-- An entry may be of a season that is not written yet, because its board is being added.
UPDATE scores
SET hidden = {is_hidden}
FROM users, seasons
WHERE users.user_id = %(user_id)s::uuid
AND scores.user_id = users.user_id
AND seasons.board_id = 'main'
AND scores.hidden <> {is_hidden};
UPDATE season_entries
SET hidden = said.hidden
FROM (
    SELECT season_entries.user_id, season_entries.season_id, {is_hidden} AS hidden
    FROM season_entries
    JOIN users ON users.user_id = season_entries.user_id
    LEFT JOIN seasons ON seasons.season_id = season_entries.season_id
    WHERE season_entries.user_id = %(user_id)s::uuid
) AS said
WHERE season_entries.user_id = said.user_id
AND season_entries.season_id = said.season_id
AND season_entries.hidden <> said.hidden

-- hide_new_entries: hides the entries in these seasons of those users who are hidden
UPDATE season_entries
SET hidden = TRUE
FROM users, seasons
WHERE season_entries.season_id = ANY (%(season_ids)s)
AND seasons.season_id = season_entries.season_id
AND users.user_id = season_entries.user_id
AND (users.hidden_at IS NOT NULL OR users.banned_at IS NOT NULL)
AND {is_hidden}

-- find_season: finds a season of a board that has begun, the one that it shows if there is no number
-- `is_kept`: whether it has entries; those of one that is final may be gone.
SELECT
    seasons.season_id,
    seasons.number,
    {is_kept}
FROM boards
LEFT JOIN seasons
    ON seasons.board_id = boards.board_id
    AND seasons.state <> 'upcoming'
    AND CASE WHEN %(season)s::bigint IS NULL THEN seasons.season_id = boards.season_id ELSE seasons.number = %(season)s END
WHERE boards.board_id = %(board_id)s

-- find_grant: finds what was granted, under whatever id the action had, and whether it was revoked
SELECT
    actions.action_id,
    ledger.ledger_id,
    ledger.points_granted,
    EXISTS (SELECT FROM corrections WHERE corrections.ledger_id = ledger.ledger_id)
FROM actions
LEFT JOIN ledger ON ledger.action_id = actions.action_id AND ledger.user_id = %(user_id)s::uuid
WHERE actions.action_id = %(action_id)s
OR actions.action_id = (SELECT action_id FROM former_action_ids WHERE former_id = %(action_id)s)
ORDER BY actions.action_id = %(action_id)s DESC
LIMIT 1

-- seasons_counting: the seasons in which a row of the ledger counts, with whether each has its entries
SELECT seasons.season_id, boards.board_id, {is_kept}
FROM ledger
CROSS JOIN boards
JOIN seasons ON seasons.board_id = boards.board_id
WHERE ledger.ledger_id = %(ledger_id)s AND {is_counted}

-- revoke_grant: takes the points of a row of the ledger back in each of these seasons in which they add up
INSERT INTO corrections (user_id, season_id, ledger_id, points, made_at, audit_id)
SELECT ledger.user_id, seasons.season_id, ledger.ledger_id, -ledger.points_granted, clock_timestamp(), %(audit_id)s
FROM ledger
CROSS JOIN seasons
JOIN boards ON boards.board_id = seasons.board_id
WHERE ledger.ledger_id = %(ledger_id)s
AND seasons.season_id = ANY (%(season_ids)s)
AND boards.operator = 'sum'
ORDER BY seasons.season_id

-- find_result: finds a result by its receipt, and whether it was revoked
SELECT
    results.result_id,
    results.user_id::text,
    results.board_id,
    seasons.season_id,
    seasons.number,
    results.value,
    {is_kept},
    EXISTS (SELECT FROM corrections WHERE corrections.result_id = results.result_id)
FROM results
JOIN seasons ON seasons.season_id = results.season_id
JOIN boards ON boards.board_id = seasons.board_id
WHERE results.source = %(source)s AND results.receipt = %(receipt)s

-- revoke_result: takes a result back where it counts
INSERT INTO corrections (user_id, season_id, result_id, points, made_at, audit_id)
SELECT user_id, season_id, result_id, -value, clock_timestamp(), %(audit_id)s
FROM results
WHERE result_id = %(result_id)s

-- add_correction: adds points to the score of a user in a season, or takes some; and notes on the user that there is one
-- A grant that waits for the user reads that row anew, and nothing else.
INSERT INTO corrections (user_id, season_id, points, made_at, audit_id)
VALUES (%(user_id)s, %(season_id)s, %(points)s, clock_timestamp(), %(audit_id)s);
UPDATE users
SET corrected_at = coalesce(corrected_at, clock_timestamp())
WHERE user_id = %(user_id)s::uuid

-- is_possible_score: whether what the score of a user in a season is to be can be one, as it is shown
-- A sum is never below zero, and the best is not unless results may be. JSON's numbers are exact within these bounds.
SELECT
    {shown_score} BETWEEN least(boards.value_min, 0)
    AND CASE boards.board_id WHEN 'main' THEN 2147483647 ELSE 9007199254740991 END
FROM seasons
JOIN boards ON boards.board_id = seasons.board_id
CROSS JOIN LATERAL {derived} AS ranked
WHERE seasons.season_id = %(season_id)s AND ranked.user_id = %(user_id)s::uuid

-- add_nameless_user: adds the user to whom is left what an erased user had; no row if somebody has the name
INSERT INTO users (user_id, username, username_key, email, password_hash, hidden_at, erased_at, corrected_at)
SELECT
    %(nameless_id)s::uuid,
    %(name)s,
    %(name)s,
    %(nameless_id)s || '@users.invalid',
    '-',
    coalesce(least(users.hidden_at, users.banned_at), now.moment),
    coalesce(users.erased_at, now.moment),
    users.corrected_at
FROM users
CROSS JOIN (SELECT clock_timestamp() AS moment) AS now
WHERE users.user_id = %(user_id)s::uuid
ON CONFLICT DO NOTHING
RETURNING user_id

-- leave_to_nameless: leaves to a nameless user what an erased user had, but for what is personal
UPDATE ledger SET user_id = %(nameless_id)s::uuid WHERE user_id = %(user_id)s::uuid;
UPDATE results SET user_id = %(nameless_id)s::uuid WHERE user_id = %(user_id)s::uuid;
UPDATE corrections SET user_id = %(nameless_id)s::uuid WHERE user_id = %(user_id)s::uuid;
UPDATE scores SET user_id = %(nameless_id)s::uuid WHERE user_id = %(user_id)s::uuid;
UPDATE season_entries SET user_id = %(nameless_id)s::uuid WHERE user_id = %(user_id)s::uuid
