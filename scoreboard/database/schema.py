"""Whether `migrate` may work in a schema, and what it holds that is not ours: looked at before
anything is touched. A table `users` is another application's as likely as ours.

It knows no driver: what to ask is in `connections/queries.sql`, and here is what the answers mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scoreboard.connections.session_settings import PUBLIC, origin, query_naming, schema_named

APPLIED: Final = "_yoyo_migration"  # the table in which yoyo writes down what is applied
_FIRST: Final = 5
_NUMBERED: Final = re.compile(r"^CREATE TABLE (\w+) \(\s+(\w+) BIGSERIAL", re.MULTILINE)
_MADE: Final = re.compile(
    r"^CREATE\s+(?:UNIQUE\s+)?(?P<kind>TABLE|INDEX|FUNCTION)\s+(?:CONCURRENTLY\s+)?(?P<name>\w+)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Makes:
    """The names of what a migration makes: all of them, functions and sequences too, and those of
    tables and of indexes. Of a migration in Python nothing is known: it goes over what an earlier
    run of it left behind.
    """

    names: frozenset[str]
    tables: frozenset[str]
    indexes: frozenset[str]

    @classmethod
    def of(cls, statements: str) -> Makes:
        """Read a migration's text."""
        made = [(each["kind"], each["name"]) for each in _MADE.finditer(statements)]
        sequences = {f"{table}_{column}_seq" for table, column in _NUMBERED.findall(statements)}
        return cls(
            names=frozenset(sequences.union(name for _, name in made)),
            tables=frozenset(name for kind, name in made if kind == "TABLE"),
            indexes=frozenset(name for kind, name in made if kind == "INDEX"),
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A row of `read_server`: a server, and a schema in it, as they are for a role."""

    version: str
    role: str  # as SQL writes it, and so are the schema and the database
    schema: str
    database: str
    has_schema: bool
    may_use: bool | None
    may_create: bool | None
    is_standby: bool
    read_only_source: str | None
    is_durable: bool
    connections_max: int
    connections: int


@dataclass(frozen=True, slots=True)
class Object:
    """A row of `read_objects`."""

    name: str
    kind: str
    owner: str
    is_ours_to_change: bool


def parameters(database_url: str, makes: Mapping[str, Makes] | None = None) -> dict[str, Any]:
    """The parameters of `read_server`, or of `read_objects` for what these migrations make."""
    names = [name for made in (makes or {}).values() for name in made.names]
    return {"schema": schema_named(database_url) or PUBLIC, "names": names}


def writes_problem(place: Place) -> tuple[str, str] | None:
    """Why a server takes no writes, and what to do; None if it does. What says so is not overruled:
    it may be a primary that was, or that moves, or whose disk is full.
    """
    if place.is_standby:
        return "It is a standby, which takes no writes.", "Name the primary."
    if place.read_only_source:
        where = origin(place.read_only_source)
        return (
            f"It takes no writes, because default_transaction_read_only is on ({where}).",
            "If that is over, RESET it there; else name another server.",
        )
    return None


def place_problem(place: Place) -> str:
    """Why nothing can be made there, and what to do; "" if it can."""
    if problem := writes_problem(place):
        return " ".join(problem)
    if not place.has_schema:
        return (
            f"There is no schema {place.schema}. CREATE SCHEMA {place.schema} AUTHORIZATION "
            f"{place.role}; or name another one in the address."
        )
    if place.may_use and place.may_create:
        return ""
    rights = [
        right for right, has in (("USAGE", place.may_use), ("CREATE", place.may_create)) if not has
    ]
    return (
        f"The role {place.role} may make no tables in the schema {place.schema} (from PostgreSQL "
        "15 on not everybody may in public). As the owner of the database or of the schema, in "
        f"{place.database}: GRANT {', '.join(rights)} ON SCHEMA {place.schema} TO {place.role};"
    )


def objects_problem(
    place: Place, makes: Mapping[str, Makes], applied: Iterable[str], found: Sequence[Object]
) -> str:
    """Why the migrations that are left cannot be applied to what is there, and what to do; "" if
    they can. `makes` has every migration of this version, oldest first.
    """
    done = set(applied) & makes.keys()
    left = [made for name, made in makes.items() if name not in done]
    ours = {table for name in done for table in makes[name].tables}
    by_name = {each.name: each for each in found if each.kind != "index"}
    if gone := sorted(name for name in ours if name not in by_name):
        return (
            f"Migrations are applied, and {' and '.join(gone)} that they made is gone from the "
            f"schema {place.schema}. Restore it from a backup."
        )
    if changed := [by_name[name] for name in sorted(ours) if by_name[name].kind != "table"]:
        return (
            f"{_listed(changed)} stands in {place.schema} where a table of ours was. Restore that "
            "from a backup."
        )
    if foreign := _foreign(left, bool(done), found):
        return (
            f"The schema {place.schema} of {place.database} has {_listed(foreign)} already, which "
            "no migration of ours made: another application's, or ours without the table "
            f"{APPLIED}. Give Scoreboard a database or a schema of its own (CREATE SCHEMA "
            f"scoreboard AUTHORIZATION {place.role}; and at the end of the address "
            f"{query_naming('scoreboard')}), or restore what is missing."
        )
    others = [by_name[name] for name in sorted(ours) if not by_name[name].is_ours_to_change]
    if left and others:
        return (
            f"The role {place.role} may not change {_listed(others)}: run this as the owner, "
            f"{others[0].owner}, or GRANT {others[0].owner} TO {place.role};"
        )
    return ""


def _foreign(left: Sequence[Makes], has_begun: bool, found: Sequence[Object]) -> list[Object]:
    """What stands in the way of the migrations that are left. Once the first one is applied an
    index may be one that a later migration makes anew.
    """
    names = {name for made in left for name in made.names}
    if has_begun:
        names -= {name for made in left for name in made.indexes}
    return [each for each in found if each.name in names]


def _listed(objects: Sequence[Object]) -> str:
    shown = [f"the {each.kind} {each.name} (of {each.owner})" for each in objects[:_FIRST]]
    more = f" and {len(objects) - _FIRST} more" if len(objects) > _FIRST else ""
    return f"{', '.join(shown)}{more}"
