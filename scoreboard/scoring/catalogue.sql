-- The statements of the catalogue of actions.

-- load_actions: adds or changes actions; says for each whether it is new
-- Nobody renames meanwhile. Where one id is a former one nothing is loaded (`present_ids` says which), however
-- it is spelled: the action would count beside the one that it belongs to. A row that is the same is not written.
LOCK TABLE actions IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO actions AS present (action_id, points, disabled_at, claim)
SELECT
    action_id,
    loaded.points,
    CASE WHEN action_id = ANY (%(disabled)s::text[]) THEN clock_timestamp() END,
    coalesce(loaded.claim, actions.claim, 'user')
FROM unnest(%(action_ids)s::text[], %(points)s::integer[], %(claims)s::text[]) AS loaded (action_id, points, claim)
LEFT JOIN actions USING (action_id)
WHERE NOT EXISTS (
    SELECT FROM former_action_ids
    WHERE former_id = ANY (%(action_ids)s::text[])
    OR former_id IS NOT NFC NORMALIZED
    AND normalize(former_id, NFC) = ANY (%(action_ids)s::text[])
    AND normalize(former_id, NFC) <> former_action_ids.action_id
)
ORDER BY action_id
ON CONFLICT (action_id) DO UPDATE
SET
    points = excluded.points,
    disabled_at = coalesce(present.disabled_at, excluded.disabled_at),
    claim = excluded.claim
WHERE (present.points, present.claim) <> (excluded.points, excluded.claim)
OR present.disabled_at IS NULL AND excluded.disabled_at IS NOT NULL
RETURNING (xmax = 0) AS is_new

-- decomposed_actions: reads ids that were loaded before ids were composed, and that lack the composed one beside
SELECT action_id
FROM actions
WHERE action_id IS NOT NFC NORMALIZED
AND NOT EXISTS (SELECT FROM actions AS other WHERE other.action_id = normalize(actions.action_id, NFC))

-- present_ids: finds which of these ids are former ones, in a decomposed spelling too, and the action of each now
SELECT former_id, action_id
FROM former_action_ids
WHERE former_id = ANY (%(action_ids)s::text[])
OR former_id IS NOT NFC NORMALIZED AND normalize(former_id, NFC) = ANY (%(action_ids)s::text[])

-- list_actions: reads actions with a part in their ids, in some state, in the order of code points, from after one
-- Not in the order of the database's locale, which differs from place to place (idx_actions_in_order).
SELECT action_id, points, disabled_at, claim
FROM actions
WHERE action_id COLLATE "C" > %(after)s
AND position(%(part)s IN action_id) > 0
AND coalesce((disabled_at IS NOT NULL) = %(disabled)s::boolean, TRUE)
AND coalesce(claim = %(claim)s::text, TRUE)
ORDER BY action_id COLLATE "C"
LIMIT %(limit)s

-- find_action: reads an action by its id; no row if there is none
SELECT action_id, points, disabled_at, claim FROM actions WHERE action_id = %(action_id)s

-- find_decomposed: reads an action whose id is another spelling of this composed one
SELECT action_id, points, disabled_at, claim
FROM actions
WHERE action_id IS NOT NFC NORMALIZED AND normalize(action_id, NFC) = %(action_id)s
ORDER BY action_id COLLATE "C"
LIMIT 1

-- count_grants: counts the grants of an action
SELECT count(*) FROM ledger WHERE action_id = %(action_id)s

-- disable_action: switches an action off; one that is off keeps its time
UPDATE actions SET disabled_at = clock_timestamp() WHERE action_id = %(action_id)s AND disabled_at IS NULL

-- enable_action: switches an action on again
UPDATE actions SET disabled_at = NULL WHERE action_id = %(action_id)s AND disabled_at IS NOT NULL

-- remove_action: takes an action that has no grants out of the catalogue, with its former ids
-- The ledger's key refuses it as well, if a grant is just under way.
DELETE FROM actions
WHERE action_id = %(action_id)s AND NOT EXISTS (SELECT FROM ledger WHERE ledger.action_id = actions.action_id)
RETURNING action_id

-- boards_listing: names the boards on which an action is listed
SELECT board_id FROM board_actions WHERE action_id = %(action_id)s ORDER BY board_id

-- remove_former_id: forgets a former id, which is unknown from then on
DELETE FROM former_action_ids
WHERE former_id = %(action_id)s
OR former_id IS NOT NFC NORMALIZED AND normalize(former_id, NFC) = %(action_id)s
RETURNING action_id
