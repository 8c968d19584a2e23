"""Whether PostgreSQL is fit for an instance of some role: reached, set, migrated, with every table,
sequence and right that its statements need. A start refuses what is not; `scoreboard check` lists
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scoreboard.connections import hosts
from scoreboard.connections.blocking import DatabaseRefuses, MigrationError, UnfitDatabase
from scoreboard.connections.findings import Finding
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session_settings import PUBLIC, SQL, schema_named
from scoreboard.database import migrations, schema
from scoreboard.fitness import contents
from scoreboard.fitness.contents import PART, SEQUENCE

_SHOWS: Final = {
    schema.APPLIED: ("SELECT",),
    "board": ("SELECT", "UPDATE"),  # to get beyond a version that was shown and is not known
    "revocations": ("SELECT",),
    "scores": ("SELECT",),
    "users": ("SELECT",),
}
_WRITES: Final = {
    schema.APPLIED: ("SELECT",),
    "actions": ("SELECT",),
    "board": ("SELECT", "UPDATE"),
    "former_action_ids": ("SELECT",),
    "ledger": ("SELECT", "INSERT"),
    SEQUENCE: ("USAGE",),
    "refresh_families": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "refresh_handles": ("SELECT", "INSERT"),
    "refresh_tokens": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "revocation_clock": ("SELECT", "UPDATE"),
    "revocations": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "scores": ("SELECT", "INSERT", "UPDATE"),
    "users": ("SELECT", "INSERT", "UPDATE"),
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
        return [Finding(PART, "connection", "wrong", f"{what}.", error.to_do)]
    return [*found, *_room(server, sessions)]


@dataclass(frozen=True, slots=True)
class _Server:
    """A row of `read_server`."""

    version: str
    user: str  # as SQL writes it, and so is the schema
    schema: str
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
    place = hosts.place(database_url)
    what = f"PostgreSQL {server.version} at {place}, as {server.user}."
    found = [
        Finding(PART, "connection", "ok", what),
        Finding(PART, "settings", "ok", "Every setting of sessions is as it has to be."),
        _writes(role, server),
    ]
    if not server.may_use_schema:
        return [*found, _no_schema(server)]
    rights = await _rights(postgres, role, server.user)
    if any(schema.APPLIED in finding.what for finding in rights if finding.name == "rights"):
        return [*found, *rights]  # which migrations are applied cannot be read
    applied = await migrations.applied(postgres, database_url)
    missing = [name for name in migrations.names() if name not in applied]
    if missing:  # and with them the tables that they make
        return [*found, await _outdated(postgres, database_url, applied, missing)]
    found = [*found, _applied(server, applied), *rights]
    if any(finding.state == "wrong" for finding in rights):
        return found  # which says more than what follows from it
    return [
        *found,
        *await contents.findings(
            postgres,
            role,
            set(RIGHTS[role]) - {schema.APPLIED},
            user=server.user,
            explains=not server.is_standby,  # which does not even explain what writes
        ),
    ]


def _writes(role: str, server: _Server) -> Finding:
    """Whether it takes writes, for a role that makes grants: one for streams only lifts a version
    that went back, and does without.
    """
    problem = schema.writes_problem(
        is_standby=server.is_standby, read_only_source=server.read_only_source
    )
    if role == "stream" or problem is None:
        return Finding(PART, "writes", "ok", "It takes what this role writes.")
    return Finding(PART, "writes", "wrong", *problem)


def _no_schema(server: _Server) -> Finding:
    if server.has_schema:
        what = f"The role {server.user} may not use the schema {server.schema}."
        to_do = f"GRANT USAGE ON SCHEMA {server.schema} TO {server.user};"
    else:
        what = f"There is no schema {server.schema}."
        to_do = "Create it, or name another one in the address: ?options=-csearch_path%3D…"
    return Finding(PART, "schema", "wrong", what, to_do)


async def _outdated(
    postgres: Postgres, database_url: str, applied: set[str], missing: list[str]
) -> Finding:
    """That migrations are missing, and what keeps this role from applying them, if something does:
    a schema that another application uses above all.
    """
    makes = migrations.shipped_makes()
    parameters = {
        "schema": schema_named(database_url) or PUBLIC,
        "names": [name for made in makes.values() for name in made.names],
    }
    [row] = await postgres.read(SQL["read_schema"], parameters)
    place = schema.Place(*row)
    rows = await postgres.read(SQL["read_objects"], parameters)
    foreign = schema.objects_problem(place, makes, applied, [schema.Object(*row) for row in rows])
    what = f"The database lacks {', '.join(missing)}."
    if foreign:
        return Finding(PART, "schema", "wrong", what, foreign)
    to_do = "Bring it up to date: scoreboard migrate"
    if problem := schema.place_problem(place):
        to_do = f"{to_do}, by a role that may. {problem}"
    return Finding(PART, "schema", "wrong", what, to_do)


def _applied(server: _Server, applied: set[str]) -> Finding:
    """That all is applied, and what a newer release has applied besides."""
    if newer := migrations.unknown(applied):
        what = f"It has migrations that this version does not know: {', '.join(newer)}."
        to_do = (
            f"A newer release was here: run that one. (Or another program uses {schema.APPLIED}.)"
        )
        return Finding(PART, "schema", "warning", what, to_do)
    what = f"Every migration is applied, in {server.schema}."
    return Finding(PART, "schema", "ok", what)


async def _rights(postgres: Postgres, role: str, user: str) -> list[Finding]:
    needed = [(name, right) for name, rights in RIGHTS[role].items() for right in rights]
    names, rights = zip(*needed, strict=True)
    rows = await postgres.read(
        SQL["read_rights"], {"relations": list(names), "privileges": list(rights)}
    )
    known = {(name, right): row for name, right, *row in rows}
    gone = list(dict.fromkeys(name for name, right in needed if not known[name, right][0]))
    hidden = list(dict.fromkeys(name for name, right in needed if known[name, right][2]))
    others = list(dict.fromkeys(name for name, right in needed if known[name, right][3]))
    lacking: dict[str, list[str]] = {}
    for name, right in needed:
        exists, has_right, *_ = known[name, right]
        if exists and not has_right:
            lacking.setdefault(name, []).append(right)
    found = [_gone(gone)] if gone else []
    found += [_lacking(user, name, rights) for name, rights in lacking.items()]
    found += [_hidden(hidden, user)] if hidden else []
    found += [_no_table(others)] if others else []
    what = f"The role {user} has every table and right that an instance of role {role} needs."
    return found or [Finding(PART, "rights", "ok", what)]


def _gone(names: list[str]) -> Finding:
    what = f"The schema lacks {' and '.join(names)}."
    return Finding(PART, "tables", "wrong", what, "Restore it from a backup.")


def _no_table(names: list[str]) -> Finding:
    what = f"{' and '.join(names)} is no table of ours: a view perhaps, or another's."
    to_do = "Restore it from a backup, or name another schema or database in the address."
    return Finding(PART, "tables", "wrong", what, to_do)


def _lacking(user: str, name: str, rights: list[str]) -> Finding:
    kind = "SEQUENCE " if name.endswith("_seq") else ""
    listed = ", ".join(rights)
    what = f"The role {user} lacks {listed} on {name}."
    return Finding(PART, "rights", "wrong", what, f"GRANT {listed} ON {kind}{name} TO {user};")


def _hidden(names: list[str], user: str) -> Finding:
    what = f"Row-level security would hide rows of {' and '.join(names)} from the role {user}."
    to_do = "ALTER TABLE … DISABLE ROW LEVEL SECURITY, or give the role BYPASSRLS."
    return Finding(PART, "rights", "wrong", what, to_do)


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
