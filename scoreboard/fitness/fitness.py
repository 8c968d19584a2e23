"""Whether PostgreSQL is fit for an instance of some role: reached, set, migrated, with every table,
sequence and right that its statements need. A start refuses what is not; `scoreboard check` lists
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from scoreboard.connections import hosts
from scoreboard.connections.blocking import DatabaseRefuses, MigrationError, UnfitDatabase
from scoreboard.connections.findings import Finding
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session_settings import SQL
from scoreboard.database import migrations, schema
from scoreboard.database.schema import Place
from scoreboard.fitness import contents
from scoreboard.fitness.contents import PART, SEQUENCE

# For all hosts, three times as long as while a client waits: a start should not end because
# PostgreSQL is slow.
_CONNECT_SECONDS: Final = 9.0
_SHOWS: Final = {
    schema.APPLIED: ("SELECT",),
    "bans": ("SELECT",),
    "board_actions": ("SELECT",),
    "boards": ("SELECT", "UPDATE"),  # to get beyond a version that was shown and is not known
    "fences": ("SELECT",),
    "follows": ("SELECT",),
    "held_lists": ("SELECT",),
    "ledger": ("SELECT",),
    "movements": ("SELECT",),
    "movements_removed": ("SELECT",),
    "revocations": ("SELECT",),
    "scores": ("SELECT",),
    "season_entries": ("SELECT",),
    "seasons": ("SELECT",),
    "users": ("SELECT",),
}
_WRITES: Final = {
    schema.APPLIED: ("SELECT",),
    "actions": ("SELECT", "UPDATE"),  # whoever defines boards holds the catalogue meanwhile
    "answered_requests": ("SELECT", "INSERT", "DELETE"),
    "audit": ("SELECT", "INSERT"),
    "audit_names": ("SELECT", "INSERT", "DELETE"),
    "bans": ("SELECT", "INSERT", "UPDATE", "DELETE"),  # by a trigger of users
    "board_actions": ("SELECT", "INSERT"),
    "boards": ("SELECT", "INSERT", "UPDATE"),
    "corrections": ("SELECT", "INSERT", "UPDATE"),
    "fences": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "follows": ("SELECT", "INSERT", "DELETE"),
    "former_action_ids": ("SELECT",),
    "held_lists": ("SELECT", "INSERT", "UPDATE"),
    "invitations": ("SELECT", "UPDATE"),
    # Who is erased leaves rows of these to a nameless user; nothing else of them changes.
    "ledger": ("SELECT", "INSERT", "UPDATE"),
    SEQUENCE: ("USAGE",),
    "movements": ("SELECT", "INSERT", "DELETE"),  # by triggers of scores and season_entries
    "movements_removed": ("SELECT", "UPDATE"),
    "preparations": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "refresh_families": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "refresh_handles": ("SELECT", "INSERT"),
    "refresh_tokens": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "refused_names": ("SELECT",),
    "results": ("SELECT", "INSERT", "UPDATE"),
    "revocation_clock": ("SELECT", "UPDATE"),
    "revocations": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "scores": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "season_entries": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "seasons": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "seasons_season_id_seq": ("USAGE",),
    "server_keys": ("SELECT",),
    "users": ("SELECT", "INSERT", "UPDATE", "DELETE"),
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
    async with migrations.open_session(database_url, _CONNECT_SECONDS) as postgres:
        found = await _look(postgres, database_url, role, await _place(postgres, database_url))
    wrong = [finding.sentence for finding in found if finding.state == "wrong"]
    if wrong:
        raise UnfitDatabase(
            f"PostgreSQL at {hosts.place(database_url)} cannot be used: {' '.join(wrong)}"
        )


async def findings(database_url: str, role: str, sessions: int) -> list[Finding]:
    """The same for people, with what is well, and whether there is room for so many sessions."""
    try:
        async with migrations.open_session(database_url) as postgres:
            place = await _place(postgres, database_url)
            found = await _look(postgres, database_url, role, place)
    except (DatabaseRefuses, UnfitDatabase) as error:
        return [Finding(PART, "connection", "wrong", " ".join(str(error).split()))]
    except MigrationError as error:
        what = next(iter(str(error).splitlines()), "").rstrip(".")
        return [Finding(PART, "connection", "wrong", f"{what}.", error.to_do)]
    return [*found, *_room(place, sessions)]


async def _place(postgres: Postgres, database_url: str) -> Place:
    [row] = await postgres.read(SQL["read_server"], schema.parameters(database_url))
    return Place(*row)


async def _look(postgres: Postgres, database_url: str, role: str, place: Place) -> list[Finding]:
    """Look at one thing after the other. Raises LedgerUnavailable."""
    what = f"PostgreSQL {place.version} at {hosts.place(database_url)}, as {place.role}."
    found = [
        Finding(PART, "connection", "ok", what),
        Finding(PART, "settings", "ok", "Every setting of sessions is as it has to be."),
        _writes(role, place),
    ]
    if not place.may_use:
        return [*found, _no_schema(place)]
    rights = await _rights(postgres, role, place.role)
    if any(schema.APPLIED in finding.what for finding in rights if finding.name == "rights"):
        return [*found, *rights]  # which migrations are applied cannot be read
    applied = await migrations.applied(postgres, database_url)
    missing = await migrations.missing(postgres, applied)
    if missing:  # and with them the tables that they make
        return [*found, await _outdated(postgres, database_url, place, applied, missing)]
    found = [*found, _applied(place, applied), *rights]
    if any(finding.state == "wrong" for finding in rights):
        return found  # which says more than what follows from it
    return [
        *found,
        *await contents.findings(
            postgres,
            role,
            set(RIGHTS[role]) - {schema.APPLIED},
            user=place.role,
            explains=not place.is_standby,  # which does not even explain what writes
        ),
    ]


def _writes(role: str, place: Place) -> Finding:
    """Whether it takes writes, for a role that makes grants: one for streams only lifts a version
    that went back, and does without.
    """
    problem = schema.writes_problem(place)
    if role == "stream" or problem is None:
        return Finding(PART, "writes", "ok", "It takes what this role writes.")
    return Finding(PART, "writes", "wrong", *problem)


def _no_schema(place: Place) -> Finding:
    if place.has_schema:
        what = f"The role {place.role} may not use the schema {place.schema}."
        to_do = f"GRANT USAGE ON SCHEMA {place.schema} TO {place.role};"
    else:
        what = f"There is no schema {place.schema}."
        to_do = "Create it, or name another one in the address: ?options=-csearch_path%3D…"
    return Finding(PART, "schema", "wrong", what, to_do)


async def _outdated(
    postgres: Postgres, database_url: str, place: Place, applied: set[str], missing: list[str]
) -> Finding:
    """That migrations are missing, and what keeps this role from applying them, if something does:
    a schema that another application uses above all.
    """
    makes = migrations.shipped_makes()
    rows = await postgres.read(SQL["read_objects"], schema.parameters(database_url, makes))
    foreign = schema.objects_problem(place, makes, applied, [schema.Object(*row) for row in rows])
    what = f"The database lacks {', '.join(missing)}."
    if foreign:
        return Finding(PART, "schema", "wrong", what, foreign)
    to_do = "Bring it up to date: scoreboard migrate"
    if problem := schema.place_problem(place):
        to_do = f"{to_do}, by a role that may. {problem}"
    return Finding(PART, "schema", "wrong", what, to_do)


def _applied(place: Place, applied: set[str]) -> Finding:
    """That all is applied, and what a newer release has applied besides."""
    if newer := migrations.unknown(applied):
        what = f"It has migrations that this version does not know: {', '.join(newer)}."
        to_do = (
            f"A newer release was here: run that one. (Or another program uses {schema.APPLIED}.)"
        )
        return Finding(PART, "schema", "warning", what, to_do)
    return Finding(PART, "schema", "ok", f"Every migration is applied, in {place.schema}.")


async def _rights(postgres: Postgres, role: str, user: str) -> list[Finding]:
    """A finding for each way in which tables, sequences and rights are not as they have to be."""
    needed = [(name, right) for name, rights in RIGHTS[role].items() for right in rights]
    names, rights = zip(*needed, strict=True)
    rows = await postgres.read(
        SQL["read_rights"], {"relations": list(names), "privileges": list(rights)}
    )
    seen = sorted(rows, key=lambda row: needed.index((row[0], row[1])))
    found = []
    if gone := _listed(name for name, _, is_there, *_ in seen if not is_there):
        what, to_do = f"The schema lacks {gone}.", "Restore it from a backup."
        found.append(Finding(PART, "tables", "wrong", what, to_do))
    lacking: dict[str, list[str]] = {}
    for name, right, is_there, has_right, *_ in seen:
        if is_there and not has_right:
            lacking.setdefault(name, []).append(right)
    for name, lacks in lacking.items():
        kind, listed = "SEQUENCE " if name.endswith("_seq") else "", ", ".join(lacks)
        what = f"The role {user} lacks {listed} on {name}."
        to_do = f"GRANT {listed} ON {kind}{name} TO {user};"
        found.append(Finding(PART, "rights", "wrong", what, to_do))
    if hidden := _listed(name for name, _, _, _, hides, _ in seen if hides):
        what = f"Row-level security would hide rows of {hidden} from the role {user}."
        to_do = "ALTER TABLE … DISABLE ROW LEVEL SECURITY, or give the role BYPASSRLS."
        found.append(Finding(PART, "rights", "wrong", what, to_do))
    if others := _listed(name for name, *_, is_no_table in seen if is_no_table):
        what = f"{others} is no table of ours: a view perhaps, or another's."
        to_do = "Restore it from a backup, or name another schema or database in the address."
        found.append(Finding(PART, "tables", "wrong", what, to_do))
    what = f"The role {user} has every table and right that an instance of role {role} needs."
    return found or [Finding(PART, "rights", "ok", what)]


def _listed(names: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(names))


def _room(place: Place, sessions: int) -> list[Finding]:
    free = place.connections_max - place.connections
    what = f"{free} of {place.connections_max} connections are free; an instance holds {sessions}."
    if free >= sessions:
        found = [Finding(PART, "room", "ok", what)]
    else:
        to_do = "Raise max_connections, or run fewer instances."
        found = [Finding(PART, "room", "warning", what, to_do)]
    if not place.is_durable:
        what = "fsync or full_page_writes is off: a power cut loses grants that were answered."
        found.append(Finding(PART, "durability", "warning", what, "Switch both on."))
    return found
