"""Whether PostgreSQL is fit for an instance of some role: reached, set, migrated, with every table,
sequence and right that its statements need. A start refuses what is not; `scoreboard check` lists
it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scoreboard import migrations, trials
from scoreboard.connections import hosts
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.refusals import PostgresRefused
from scoreboard.connections.session import TransactionAborted
from scoreboard.connections.session_settings import PUBLIC, SQL, origin, schema_named
from scoreboard.findings import Finding
from scoreboard.migrations import DatabaseRefuses, MigrationError, UnfitDatabase

PART: Final = "postgresql"

_MIGRATIONS: Final = "_yoyo_migration"
_SEQUENCE: Final = "ledger_ledger_id_seq"
_SHOWS: Final = {
    _MIGRATIONS: ("SELECT",),
    "board": ("SELECT", "UPDATE"),  # to get beyond a version that was shown and is not known
    "revocations": ("SELECT",),
    "scores": ("SELECT",),
    "users": ("SELECT",),
}
_WRITES: Final = {
    _MIGRATIONS: ("SELECT",),
    "actions": ("SELECT",),
    "board": ("SELECT", "UPDATE"),
    "former_action_ids": ("SELECT",),
    "ledger": ("SELECT", "INSERT"),
    _SEQUENCE: ("USAGE",),
    "refresh_families": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "refresh_handles": ("SELECT", "INSERT"),
    "refresh_tokens": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "revocation_clock": ("SELECT", "UPDATE"),
    "revocations": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "scores": ("SELECT", "INSERT", "UPDATE"),
    "users": ("SELECT", "INSERT", "UPDATE"),
}
# Tables that always have a row, and what brings it back. The board's version is then lifted above
# those that were shown, as after a restore; the clock goes by the time of day.
_ROWS: Final = {
    "board": "INSERT INTO board (version, changed_at) VALUES (1, now());",
    "revocation_clock": (
        "INSERT INTO revocation_clock (reading) VALUES (extract(epoch FROM now()) * 1000);"
    ),
}
# What the statements of each role need, by table or sequence.
RIGHTS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "all": _WRITES,
    "api": _WRITES,
    "stream": _SHOWS,
}


async def require(database_url: str, role: str) -> None:
    """Raise UnfitDatabase with a sentence for all that is wrong, MigrationError when PostgreSQL is
    away or refuses.
    """
    async with migrations.asked(database_url) as postgres:
        found = await _look(postgres, database_url, role, await _server(postgres, database_url))
    wrong = [finding.sentence for finding in found if finding.state == "wrong"]
    if wrong:
        raise UnfitDatabase(
            f"PostgreSQL at {hosts.place(database_url)} cannot be used: {' '.join(wrong)}"
        )


async def findings(database_url: str, role: str, sessions: int) -> list[Finding]:
    """The same for people, with what is well, and whether there is room for so many sessions."""
    try:
        async with migrations.asked(database_url) as postgres:
            server = await _server(postgres, database_url)
            found = await _look(postgres, database_url, role, server)
    except (DatabaseRefuses, UnfitDatabase) as error:
        return [Finding(PART, "connection", "wrong", " ".join(str(error).split()))]
    except MigrationError as error:
        what = next(iter(str(error).splitlines()), "").rstrip(".")
        to_do = "Start it, or set SCOREBOARD_DATABASE_URL to where it runs."
        return [Finding(PART, "connection", "wrong", f"{what}.", to_do)]
    return [*found, *_room(server, sessions)]


@dataclass(frozen=True, slots=True)
class _Server:
    """A row of `read_server`."""

    version: str
    user: str
    has_schema: bool
    may_use_schema: bool | None
    is_standby: bool
    read_only_source: str | None
    is_durable: bool
    connections_max: int
    connections: int


async def _server(postgres: Postgres, database_url: str) -> _Server:
    schema = schema_named(database_url) or PUBLIC
    [row] = await postgres.read(SQL["read_server"], {"schema": schema})
    return _Server(*row)


async def _look(postgres: Postgres, database_url: str, role: str, server: _Server) -> list[Finding]:
    """Look at one thing after the other. Raises LedgerUnavailable."""
    place, schema = hosts.place(database_url), schema_named(database_url) or PUBLIC
    what = f"PostgreSQL {server.version} at {place}, as {server.user}."
    found = [
        Finding(PART, "connection", "ok", what),
        Finding(PART, "settings", "ok", "Every setting of sessions is as it has to be."),
        _writes(role, server),
    ]
    if not server.may_use_schema:
        return [*found, _no_schema(schema, server)]
    rights = await _rights(postgres, role, server.user)
    if any(_MIGRATIONS in finding.what for finding in rights if finding.name == "rights"):
        return [*found, *rights]  # which migrations are applied cannot be read
    missing = await migrations.missing(postgres, database_url)
    if missing:  # and with them the tables that they make
        return [*found, _outdated(missing)]
    what = f"Every migration is applied, in {schema}."
    found = [*found, Finding(PART, "schema", "ok", what), *rights]
    if any(finding.state == "wrong" for finding in rights):
        return found  # which says more than what follows from it
    return [*found, *await _contents(postgres, role, server)]


def _writes(role: str, server: _Server) -> Finding:
    """Whether it takes writes, for a role that makes grants (one for streams only lifts a version
    that went back, and does without). What says that it takes none is not
    overruled: it may be a primary that was, or that moves, or whose disk is full.
    """
    if role == "stream" or not (server.is_standby or server.read_only_source):
        return Finding(PART, "writes", "ok", "It takes what this role writes.")
    if server.is_standby:
        what, to_do = "It is a standby, which takes no writes.", "Name the primary."
    else:
        where = origin(server.read_only_source or "")
        what = f"It takes no writes, for default_transaction_read_only is on ({where})."
        to_do = "If that is over, RESET it there; else name another server."
    return Finding(PART, "writes", "wrong", what, to_do)


def _no_schema(schema: str, server: _Server) -> Finding:
    if server.has_schema:
        what = f"The role {server.user} may not use the schema {schema}."
        to_do = f"GRANT USAGE ON SCHEMA {schema} TO {server.user};"
    else:
        what = f"There is no schema {schema}."
        to_do = "Create it, or name another one in the address: ?options=-csearch_path%3D…"
    return Finding(PART, "schema", "wrong", what, to_do)


def _outdated(missing: list[str]) -> Finding:
    what = f"The database lacks {', '.join(missing)}."
    return Finding(PART, "schema", "wrong", what, "Bring it up to date: scoreboard migrate")


async def _rights(postgres: Postgres, role: str, user: str) -> list[Finding]:
    needed = [(name, right) for name, rights in RIGHTS[role].items() for right in rights]
    names, rights = zip(*needed, strict=True)
    rows = await postgres.read(
        SQL["read_rights"], {"relations": list(names), "privileges": list(rights)}
    )
    known = {(name, right): row for name, right, *row in rows}
    gone = list(dict.fromkeys(name for name, right in needed if not known[name, right][0]))
    hidden = list(dict.fromkeys(name for name, right in needed if known[name, right][2]))
    lacking: dict[str, list[str]] = {}
    for name, right in needed:
        exists, has_right, _ = known[name, right]
        if exists and not has_right:
            lacking.setdefault(name, []).append(right)
    found = [_gone(gone)] if gone else []
    found += [_lacking(user, name, rights) for name, rights in lacking.items()]
    found += [_hidden(hidden, user)] if hidden else []
    what = f"The role {user} has every table and right that an instance of role {role} needs."
    return found or [Finding(PART, "rights", "ok", what)]


def _gone(names: list[str]) -> Finding:
    what = f"The schema lacks {' and '.join(names)}."
    return Finding(PART, "tables", "wrong", what, "Restore it from a backup.")


def _lacking(user: str, name: str, rights: list[str]) -> Finding:
    kind = "SEQUENCE " if name.endswith("_seq") else ""
    listed = ", ".join(rights)
    what = f"The role {user} lacks {listed} on {name}."
    return Finding(PART, "rights", "wrong", what, f"GRANT {listed} ON {kind}{name} TO {user};")


def _hidden(names: list[str], user: str) -> Finding:
    what = f"Row-level security would hide rows of {' and '.join(names)} from the role {user}."
    to_do = "ALTER TABLE … DISABLE ROW LEVEL SECURITY, or give the role BYPASSRLS."
    return Finding(PART, "rights", "wrong", what, to_do)


async def _contents(postgres: Postgres, role: str, server: _Server) -> list[Finding]:
    """Whether every statement is taken, and what they rely on is in the tables."""
    found: list[Finding] = []
    for look in (_rows, _triggers, _sequence):
        # Who waits for a table that somebody changes just now knows nothing of it.
        with contextlib.suppress(TransactionAborted):
            found += await look(postgres, role)
    if not server.is_standby:  # which does not even explain what writes
        found += await _statements(postgres, role, server.user)
    what = "PostgreSQL takes every statement, and every row and trigger that they rely on is there."
    return found or [Finding(PART, "statements", "ok", what)]


async def _rows(postgres: Postgres, role: str) -> list[Finding]:
    found = []
    for table, to_do in _ROWS.items():
        if table in RIGHTS[role]:
            [(count,)] = await postgres.read(SQL[f"count_{table}"])
            if not count:
                what = f"The row of {table} is gone."
                found.append(Finding(PART, "rows", "wrong", what, to_do))
    return found


async def _sequence(postgres: Postgres, role: str) -> list[Finding]:
    """Rows that came by another way, a logical replica's for example, took no numbers from it."""
    if _SEQUENCE not in RIGHTS[role]:
        return []
    [(last, highest)] = await postgres.read(SQL["read_sequence"])
    if highest <= (last or 0):
        return []
    what = f"{_SEQUENCE} is behind the ledger, which refuses submissions until it has caught up."
    to_do = "SELECT setval('ledger_ledger_id_seq', (SELECT max(ledger_id) FROM ledger));"
    # Whether one that never gave a number begins with a high one only its owner may know.
    return [Finding(PART, "sequence", "wrong" if last else "warning", what, to_do)]


async def _triggers(postgres: Postgres, role: str) -> list[Finding]:
    parameters = {"relations": list(RIGHTS[role])}
    [(is_there, off)] = await postgres.read(SQL["read_triggers"], parameters)
    found = []
    if not is_there:
        what = "The trigger users_deleted is gone: who is deleted keeps an access token that works."
        found.append(Finding(PART, "triggers", "wrong", what, "Restore it from a backup."))
    for table in off:
        what = f"Triggers of {table} are switched off that keep its rows true, as foreign keys do."
        to_do = f"ALTER TABLE {table} ENABLE TRIGGER ALL;"
        found.append(Finding(PART, "triggers", "wrong", what, to_do))
    return found


async def _statements(postgres: Postgres, role: str, user: str) -> list[Finding]:
    """A finding for each thing that is refused, with the statements that it concerns."""
    names: dict[str, list[str]] = {}
    refusals = await trials.refused(postgres, role)
    for name, refusal in refusals.items():
        names.setdefault(str(refusal), []).append(name)
    return [
        Finding(
            PART,
            "statements",
            "wrong",
            f"PostgreSQL refuses {', '.join(concerned)}: {said}.",
            _mend(refusals[concerned[0]], user),
        )
        for said, concerned in names.items()
    ]


def _mend(refusal: PostgresRefused, user: str) -> str:
    if refusal.sqlstate == "42501":
        return f"GRANT it TO {user}, of a table for all columns."
    return refusal.to_do


def _room(server: _Server, sessions: int) -> list[Finding]:
    free = server.connections_max - server.connections
    what = f"{free} of {server.connections_max} connections are free; an instance holds {sessions}."
    to_do = "Raise max_connections, or run fewer instances."
    is_enough = free >= sessions
    found = [
        Finding(PART, "room", "ok" if is_enough else "warning", what, "" if is_enough else to_do)
    ]
    if not server.is_durable:
        what = "fsync or full_page_writes is off: a power cut loses grants that were answered."
        found.append(Finding(PART, "durability", "warning", what, "Switch both on."))
    return found
