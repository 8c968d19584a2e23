"""The statements of accounts, by name (`queries.sql`, `registration.sql`, `follows.sql`), and what
several of them say alike.
"""

from __future__ import annotations

from typing import Final

from scoreboard.connections import statements

# Begins a family for the one row of `owner`: its user_id, username and the reading of a token.
_BEGIN_FAMILY: Final = """family AS (
    INSERT INTO refresh_families (user_id) SELECT user_id FROM owner RETURNING family_id
),
handle AS (
    INSERT INTO refresh_handles (handle_hash, family_id)
    SELECT %(handle_hash)s, family_id FROM family
),
token AS (
    INSERT INTO refresh_tokens (token_hash, family_id, expires_at)
    SELECT %(token_hash)s, family_id, now() + make_interval(secs => %(lifetime_seconds)s)
    FROM family
)
SELECT user_id::text, username, reading FROM owner"""

# Ends all families of a user and then the access tokens; has no row if there is no such user.
_END_ALL_FAMILIES: Final = """WITH ended AS (
    DELETE FROM refresh_families WHERE user_id = %(user_id)s::uuid RETURNING family_id
),
counted AS MATERIALIZED (SELECT count(*) AS families FROM ended)
SELECT counted.families, revoke_access(users.user_id, FALSE)
FROM counted
JOIN users ON users.user_id = %(user_id)s::uuid"""

# A token belongs to a family by its own hash, or by its handle's if it is none that is kept.
_FAMILY_ID: Final = """coalesce(
    (SELECT family_id FROM refresh_tokens WHERE token_hash = %(token_hash)s),
    (SELECT family_id FROM refresh_handles WHERE handle_hash = %(handle_hash)s)
)"""

SQL: Final = statements.load(
    "scoreboard.accounts",
    "queries.sql",
    "registration.sql",
    "follows.sql",
    words={
        "begin_family": _BEGIN_FAMILY,
        "end_all_families": _END_ALL_FAMILIES,
        "family_id": _FAMILY_ID,
    },
)
