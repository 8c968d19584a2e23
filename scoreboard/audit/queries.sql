-- The statements that read the audit. `at` is a text, the very one that its digest is made of.

-- {row}: a row of the audit as it is read
audit.audit_id,
to_char(audit.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
audit.made_by,
audit.act,
audit.user_id::text,
audit.board_id,
audit.season,
audit.details::text,
audit.reason,
audit.request_id,
audit.digest::text

-- read_audit: reads rows of the audit behind one of them, the oldest first; those that are sought, and none but of
-- these boards unless that is null
SELECT {row}
FROM audit
WHERE audit.audit_id > %(after)s
    AND (%(user_id)s::uuid IS NULL OR audit.user_id = %(user_id)s::uuid)
    AND (%(act)s::text IS NULL OR audit.act = %(act)s::text)
    AND (%(made_by)s::text IS NULL OR audit.made_by = %(made_by)s::text)
    AND (%(since)s::timestamptz IS NULL OR audit.at >= %(since)s::timestamptz)
    AND (%(board_ids)s::text[] IS NULL OR audit.board_id = ANY (%(board_ids)s::text[]))
ORDER BY audit.audit_id
LIMIT %(limit)s

-- read_withheld: reads of these users who is hidden or banned, since when, and why, as the audit says it last
-- Who shows somebody again, or lifts a ban, leaves the other one as it is.
SELECT
    users.user_id::text,
    users.hidden_at,
    (
        SELECT audit.reason FROM audit
        WHERE audit.user_id = users.user_id AND audit.act = 'hide'
        ORDER BY audit.audit_id DESC LIMIT 1
    ),
    users.banned_at,
    (
        SELECT audit.reason FROM audit
        WHERE audit.user_id = users.user_id AND audit.act = 'ban'
        ORDER BY audit.audit_id DESC LIMIT 1
    )
FROM users
WHERE users.user_id = ANY (%(user_ids)s::uuid[]) AND (users.hidden_at IS NOT NULL OR users.banned_at IS NOT NULL)
