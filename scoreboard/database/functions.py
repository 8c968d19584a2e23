"""The functions that statements of ours call, which `migrate` puts into the database.

Their texts stand with the statements (`create_…`), and a digest of them in their names. So a
release finds its own functions or none, never another's, and releases can run beside each other
while one follows the other. (Flyway calls this a repeatable migration.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from scoreboard.ledger.queries import DIGEST, FUNCTIONS

# What all of them together are called where they are missing or were made.
NAME: Final = f"functions.{DIGEST}"
# Whether all of them are there.
ARE_THERE: Final = (
    "SELECT bool_and(to_regproc(name) IS NOT NULL) FROM unnest(%(names)s::text[]) AS each (name)"
)
NAMES: Final = {"names": list(FUNCTIONS)}
# The functions of so many releases are kept: of this one, and of others that may still serve.
_RELEASES_KEPT: Final = 3
# Their names without the digests.
_KINDS: Final = {"kinds": [name.removesuffix(f"_{DIGEST}") for name in FUNCTIONS]}
_FROM: Final = """
FROM pg_catalog.pg_proc
WHERE pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = current_schema())
AND left(proname, -9) = ANY (%(kinds)s)
AND right(proname, 9) ~ '^_[0-9a-f]{8}$'
"""
# The function says when it was made: a backup that is restored has them in another order.
_DIGESTS: Final = f"""
SELECT right(proname, 8)
{_FROM}
GROUP BY right(proname, 8)
ORDER BY coalesce(max(obj_description(pg_proc.oid, 'pg_proc')), '') DESC, max(pg_proc.oid) DESC
"""
_OF_DIGESTS: Final = (
    f"SELECT pg_proc.oid::regprocedure::text {_FROM} AND right(proname, 8) = ANY (%(digests)s)"
)
_SAYING_WHEN: Final = """
SELECT format(
    'COMMENT ON FUNCTION %%s IS %%L',
    to_regproc(%(name)s)::oid::regprocedure,
    'Made ' || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
)
"""


def install(cursor: Any) -> list[str]:
    """Make those that are missing, and remove those of releases that are long gone. Returns `NAME`
    if something was missing.
    """
    missing = [name for name in FUNCTIONS if not _is_there(cursor, name)]
    for name in missing:
        cursor.execute(FUNCTIONS[name])
        cursor.execute(_SAYING_WHEN, {"name": name})
        [(comment,)] = cursor.fetchall()
        cursor.execute(comment)
    if not missing:
        return []
    _remove(cursor, _digests(cursor)[_RELEASES_KEPT:])
    return [NAME]


def uninstall(cursor: Any) -> None:
    """Remove those of this release: what they work on is gone."""
    _remove(cursor, [DIGEST])


def _is_there(cursor: Any, name: str) -> bool:
    cursor.execute(ARE_THERE, {"names": [name]})
    [(is_there,)] = cursor.fetchall()
    return bool(is_there)


def _digests(cursor: Any) -> list[str]:
    """Of which releases there are functions, the latest first."""
    cursor.execute(_DIGESTS, _KINDS)
    return [digest for (digest,) in cursor.fetchall()]


def _remove(cursor: Any, digests: Sequence[str]) -> None:
    cursor.execute(_OF_DIGESTS, {"digests": digests, **_KINDS})
    for (function,) in cursor.fetchall():
        cursor.execute(f"DROP FUNCTION {function}")
