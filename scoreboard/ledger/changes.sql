-- The statements of what operators change, and of what they compare.

-- rename_user: gives a user another name
UPDATE users
SET username = %(username)s, username_key = %(username_key)s, updated_at = now()
WHERE user_id = %(user_id)s::uuid
RETURNING user_id::text

-- compare_scores: counts the users whose score on `main` differs from what it is to be, with examples
SELECT
    count(*) OVER (),
    coalesce(scores.user_id, derived.user_id)::text,
    scores.score,
    derived.score,
    scores.hidden,
    derived.hidden
{wrong_of_scores}
ORDER BY 2
LIMIT 20

-- compare_last: reads the last score of each of these boards as kept and as it is
SELECT
    boards.board_id,
    boards.tenth_score,
    {last_score}
FROM boards
WHERE boards.board_id = ANY (%(board_ids)s)

-- hold_action: holds an action for a rename, and says how it is; no row if there is none
-- The table's lock keeps out who loads or renames, and no grant. The row's lock waits for grants of this action that
-- are under way, because a ledger row that is not committed could not be moved. Those that come later wait at the
-- ledger's key until the end, and find the action gone.
SET LOCAL lock_timeout = '2s';
LOCK TABLE actions IN SHARE ROW EXCLUSIVE MODE;
SELECT points FROM actions WHERE action_id = %(action_id)s FOR UPDATE

-- give_action_id: adds the action under its new id, moves its ledger rows and former ids there; counts the rows
INSERT INTO actions (action_id, points, claim, created_at, disabled_at)
SELECT %(new_id)s, points, claim, created_at, disabled_at FROM actions WHERE action_id = %(action_id)s;
DELETE FROM former_action_ids WHERE former_id = %(new_id)s AND action_id = %(action_id)s;
UPDATE former_action_ids SET action_id = %(new_id)s WHERE action_id = %(action_id)s;
UPDATE board_actions SET action_id = %(new_id)s WHERE action_id = %(action_id)s;
WITH moved AS (
    UPDATE ledger SET action_id = %(new_id)s WHERE action_id = %(action_id)s RETURNING ledger_id
)
SELECT count(*) FROM moved

-- leave_action_id: removes the action under the id that it had, and keeps that id as a former one
-- An earlier release may have loaded the action under another's former id, which has meant this action since.
DELETE FROM actions WHERE action_id = %(action_id)s;
INSERT INTO former_action_ids (former_id, action_id, renamed_at)
VALUES (%(action_id)s, %(new_id)s, clock_timestamp())
ON CONFLICT (former_id) DO UPDATE SET action_id = excluded.action_id, renamed_at = excluded.renamed_at
