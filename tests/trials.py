"""Statements that PostgreSQL takes once it takes again, as long as its catalogue is the same.

An instance that starts lets PostgreSQL explain each of its statements (`scoreboard/fitness`): 0.2 s
of processor time, and hundreds of tests start one on a clone of the same database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.refusals import PostgresRefused
from scoreboard.fitness import trials

# A row of a catalogue that is made or changed has a new `xmin`; one that is removed is not counted
# any more. A clone has the rows of its template.
_CATALOGUES: Final = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_trigger"),
    *("pg_proc", "pg_type", "pg_namespace", "pg_rewrite", "pg_policy", "pg_inherits"),
    *("pg_authid", "pg_auth_members", "pg_db_role_setting"),
)
_STATE: Final = "SELECT current_user::text, " + ", ".join(
    f"(SELECT (count(*), max(xmin::text::bigint))::text FROM {name})" for name in _CATALOGUES
)
_tried_in_full: Final = trials.refused
_taken: Final[set[tuple[object, ...]]] = set()


@contextmanager
def not_repeated() -> Iterator[None]:
    """Within, no statement is tried again that this role was seen to be able to run."""
    trials.refused = _refused
    try:
        yield
    finally:
        # Of several instances that start together, the first to have started ends it: the others
        # try in full.
        trials.refused = _tried_in_full


async def _refused(postgres: Postgres, role: str) -> dict[str, PostgresRefused]:
    try:
        state = (role, *(await postgres.read(_STATE))[0])
    except PostgresRefused:  # whoever may not read the catalogues
        return await _tried_in_full(postgres, role)
    if state in _taken:
        return {}
    refused = await _tried_in_full(postgres, role)
    if not refused:
        _taken.add(state)
    return refused
