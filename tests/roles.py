"""Roles of PostgreSQL that may do what an instance of some role needs, and nothing more."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from scoreboard.fitness.fitness import RIGHTS
from tests.world import sql


@dataclass(frozen=True)
class Role:
    """A role of PostgreSQL, and the address by which it connects."""

    name: str
    url: str
    owner_url: str

    def grant(self, right: str, relation: str) -> None:
        """Give it this right; by the owner."""
        self._change("GRANT", right, relation, "TO")

    def revoke(self, right: str, relation: str) -> None:
        """Take it away again."""
        self._change("REVOKE", right, relation, "FROM")

    def _change(self, verb: str, right: str, relation: str, preposition: str) -> None:
        kind = "SEQUENCE " if relation.endswith("_seq") else ""
        sql(self.owner_url, f"{verb} {right} ON {kind}{relation} {preposition} {self.name}")


@contextmanager
def a_role(database_url: str, serves_as: str) -> Iterator[Role]:
    """A role with the rights of an instance that serves as `all`, `api` or `stream`."""
    name = f"scoreboard_test_{secrets.token_hex(4)}"
    sql(database_url, f"CREATE ROLE {name} LOGIN")
    parts = urlsplit(database_url)
    where = parts.netloc.rpartition("@")[2]
    role = Role(name, urlunsplit(parts._replace(netloc=f"{name}@{where}")), database_url)
    try:
        for relation, rights in RIGHTS[serves_as].items():
            for right in rights:
                role.grant(right, relation)
        yield role
    finally:
        writing = f"{database_url}?options=-cdefault_transaction_read_only%3Doff"
        sql(writing, f"DROP OWNED BY {name}; DROP ROLE {name}")
