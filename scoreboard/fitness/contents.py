"""What the tables hold that an instance relies on: rows, triggers, the sequence, statements that
are taken; and what somebody else has put on them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Final

from scoreboard.connections.findings import Finding
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.refusals import CONSTRAINTS
from scoreboard.connections.session import TransactionAborted
from scoreboard.connections.session_settings import SQL
from scoreboard.fitness import trials, turns

PART: Final = "postgresql"
SEQUENCE: Final = "ledger_ledger_id_seq"
_ADDITIONS: Final = "additions"

# Tables that always have a row (boards that of `main`), and what brings it back. The board's
# version is then lifted above those that were shown, as after a restore; the clock goes by the time
# of day.
_ROWS: Final = {
    # Into its partition, whose defaults are those of `main`. Its season went with it.
    "boards": (
        "WITH main AS (INSERT INTO board (season_id, version, changed_at) "
        "VALUES (1, 1, now()) RETURNING board_id) "
        "INSERT INTO seasons (season_id, board_id, number, starts_at, state) "
        "SELECT 1, board_id, 1, 'epoch', 'running' FROM main;"
    ),
    "revocation_clock": (
        "INSERT INTO revocation_clock (reading) VALUES (extract(epoch FROM now()) * 1000);"
    ),
    # What instances have counted until now may lack what was removed.
    "movements_removed": (
        "INSERT INTO movements_removed (below, system_identifier) "
        "SELECT pg_snapshot_xmax(pg_current_snapshot()), system_identifier "
        "FROM pg_control_system();"
    ),
}

# What happens without a trigger of ours.
_MOVES: Final = "ranks are counted as if some entries had not moved"
_WITHOUT: Final = {
    "users_deleted": "who is deleted keeps an access token that works",
    "users_banned": "who is banned goes on to be let in",
    "bans_changed": "instances do not hear of who is banned from now on",
    "refused_names_changed": "instances do not hear of names that are refused from now on",
    "audit_is_chained": "nothing is moderated",
    "audit_is_kept": "rows of the audit can be changed unseen",
    "server_keys_changed": "instances go on to take a server key that is revoked",
    **{
        f"{table}_{moved}": _MOVES
        for table in ("scores", "season_entries")
        for moved in ("added", "changed", "removed", "emptied")
    },
}


async def findings(
    postgres: Postgres, role: str, relations: Collection[str], *, user: str, explains: bool
) -> list[Finding]:
    """Whether every statement of this role is taken, and what they rely on is in these relations.
    Raises LedgerUnavailable.
    """
    found: list[Finding] = []
    for look in (_rows, _triggers, _sequence, _additions):  # guard: start-notices-sequence
        # A look that waits for a table under change finds nothing out, which is no finding.
        with contextlib.suppress(TransactionAborted):  # guard: start-goes-though
            found += await look(postgres, relations)
    if explains:
        found += await _statements(postgres, role, user)  # guard: start-tries-every
    if all(finding.name == _ADDITIONS for finding in found):
        what = "PostgreSQL takes every statement; every row and trigger they rely on is there."
        found = [Finding(PART, "statements", "ok", what), *found]
    with contextlib.suppress(TransactionAborted):
        found += await turns.findings(postgres, PART)
    return found


async def _additions(postgres: Postgres, relations: Collection[str]) -> list[Finding]:
    """What somebody else has put on our tables. It may do no harm, as one that keeps a history."""
    parameters = {"relations": list(relations), "constraints": list(CONSTRAINTS)}
    rows = await postgres.read(SQL["read_additions"], parameters)
    if not rows:
        return []
    what = f"Not ours, and able to refuse what we write: {'; '.join(what for what, _ in rows)}."
    to_do = f"If an answer is 503 for one of them: {' '.join(to_do for _, to_do in rows)}"
    return [Finding(PART, _ADDITIONS, "warning", what, to_do)]


async def _rows(postgres: Postgres, relations: Collection[str]) -> list[Finding]:
    found = []
    for table, to_do in _ROWS.items():
        if table in relations:
            [(count,)] = await postgres.read(SQL[f"count_{table}"])
            if not count:
                what = f"The row of {table} is gone."
                found.append(Finding(PART, "rows", "wrong", what, to_do))
    return found


async def _sequence(postgres: Postgres, relations: Collection[str]) -> list[Finding]:
    """Rows that came by another way, a logical replica's for example, took no numbers from it."""
    if SEQUENCE not in relations:
        return []
    [(last, highest)] = await postgres.read(SQL["read_sequence"])
    if highest <= (last or 0):
        return []
    what = f"{SEQUENCE} is behind the ledger, which refuses submissions until it has caught up."
    to_do = "SELECT setval('ledger_ledger_id_seq', (SELECT max(ledger_id) FROM ledger));"
    # Whether one that never gave a number begins with a high one only its owner may know.
    return [Finding(PART, "sequence", "wrong" if last else "warning", what, to_do)]


async def _triggers(postgres: Postgres, relations: Collection[str]) -> list[Finding]:
    parameters = {"relations": list(relations)}
    [(gone, off, mends)] = await postgres.read(SQL["read_triggers"], parameters)
    found = []
    for trigger in gone:
        what = f"The trigger {trigger} is gone: {_WITHOUT[trigger]}."
        found.append(Finding(PART, "triggers", "wrong", what, "Restore it from a backup."))
    for table in off:
        what = f"Triggers of {table} are switched off that keep its rows true, as foreign keys do."
        to_do = f"ALTER TABLE {table} ENABLE TRIGGER ALL;"
        found.append(Finding(PART, "triggers", "wrong", what, to_do))
    if mends:
        what = f"A session may switch off triggers that note moves. Where one does, {_MOVES}."
        found.append(Finding(PART, "triggers", "warning", what, " ".join(mends)))
    return found


async def _statements(postgres: Postgres, role: str, user: str) -> list[Finding]:
    """A finding for each thing that is refused, with the statements that it concerns."""
    refusals = await trials.refused(postgres, role)
    names: dict[str, list[str]] = {}
    for name, refusal in refusals.items():
        names.setdefault(str(refusal), []).append(name)
    found = []
    for said, concerned in names.items():
        refusal = refusals[concerned[0]]
        what = f"PostgreSQL refuses {', '.join(concerned)}: {said}."
        is_right = refusal.sqlstate == "42501"
        to_do = f"GRANT it TO {user}, of a table for all columns." if is_right else refusal.to_do
        found.append(Finding(PART, "statements", "wrong", what, to_do))
    return found
