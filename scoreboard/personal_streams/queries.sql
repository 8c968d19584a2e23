-- The statements of personal streams. Each is asked for many users at once.

-- read_followed: reads whom each of these users follows, who is hidden too: their ids in 16 bytes, one after the other
SELECT user_id::text, string_agg(uuid_send(followed_id), '')
FROM follows
WHERE user_id = ANY (%(user_ids)s::uuid[])
GROUP BY user_id

-- read_new_grants: reads what these users were granted within so many seconds, with their scores now
-- A row may be committed long after its moment, so the time reaches back further than the last question did.
SELECT ledger.user_id::text, ledger.action_id, ledger.points_granted, ledger.submitted_at, coalesce(scores.score, 0)
FROM ledger
LEFT JOIN scores ON scores.user_id = ledger.user_id
WHERE ledger.submitted_at > clock_timestamp() - make_interval(secs => %(seconds)s)
AND ledger.user_id = ANY (%(user_ids)s::uuid[])
ORDER BY ledger.submitted_at, ledger.action_id

-- read_names: reads what users are called, but for those who are hidden
SELECT user_id::text, username
FROM users
WHERE user_id = ANY (%(user_ids)s::uuid[]) AND coalesce(hidden_at, banned_at, erased_at) IS NULL

-- read_hidden_on_main: reads the scores of those of these users who are hidden
SELECT user_id::text, score::bigint FROM scores WHERE hidden AND user_id = ANY (%(user_ids)s::uuid[])

-- read_hidden: reads the scores of those of these users who are hidden, in a season, as they are kept
SELECT user_id::text, score
FROM season_entries
WHERE hidden AND season_id = %(season_id)s AND user_id = ANY (%(user_ids)s::uuid[])
