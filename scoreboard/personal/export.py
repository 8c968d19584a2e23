"""What is kept of a person, as one JSON document that is written page by page: a million results
need no more memory than a thousand.

Each page is a statement of its own, so what happens meanwhile may be in a later page and missing in
an earlier one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from scoreboard.accounts.names import NO_ADDRESS
from scoreboard.accounts.users import NO_PASSWORD
from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Row
from scoreboard.errors import UnknownUser
from scoreboard.timestamps import exact_timestamp

SQL: Final = statements.load("scoreboard.personal")

# Some 200 KB of JSON, and 5 ms of a turn.
PAGE: Final = 1000

ACCOUNT: Final = (
    *("userId", "username", "email", "hasPassword", "source", "createdAt", "updatedAt"),
    *("hiddenAt", "bannedAt", "score", "scoreChangedAt", "accessTokensEndedAt"),
)


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of one kind. `first` is before every key of its statement."""

    name: str
    statement: str
    members: tuple[str, ...]
    first: str | int = 0


_FIRST_ID: Final = "00000000-0000-0000-0000-000000000000"
SECTIONS: Final = (
    Section("grants", "read_kept_grants", ("actionId", "points", "grantedAt"), first=""),
    Section(
        "results",
        "read_kept_results",
        ("source", "receipt", "boardId", "season", "value", "playedAt", "recordedAt"),
    ),
    Section(
        "entries",
        "read_kept_entries",
        ("boardId", "season", "score", "reachedAt", "hidden"),
    ),
    Section(
        "finalBoards",
        "read_kept_lines",
        ("boardId", "season", "rank", "score", "username", "reachedAt"),
    ),
    Section(
        "corrections",
        "read_kept_corrections",
        ("boardId", "season", "points", "actionId", "receipt", "at", "reason"),
    ),
    Section(
        "moderation",
        "read_kept_acts",
        (
            *("auditId", "at", "act", "boardId", "season", "details", "reason"),
            *("nameBefore", "nameAfter"),
        ),
    ),
    Section(
        "logIns",
        "read_kept_log_ins",
        ("startedAt", "expiresAt"),
        first=_FIRST_ID,
    ),
    Section("invitations", "read_kept_invitations", ("note", "createdAt", "usedAt")),
    Section(
        "follows",
        "read_kept_follows",
        ("userId", "followedAt"),
        first=_FIRST_ID,
    ),
)


@dataclass(frozen=True, slots=True)
class Owner:
    """What decides on who may ask for a user's data: who brought the user (empty: nobody but they
    themselves), and whether there is a password to ask for.
    """

    source: str
    has_password: bool


class PersonalData:
    """Reads what is kept of a user. Everything here raises LedgerUnavailable."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def owner(self, user_id: str) -> Owner:
        """Raises UnknownUser."""
        rows = await self._postgres.read(SQL["find_owner"], _of(user_id))
        if not rows:
            raise UnknownUser
        return Owner(*rows[0])

    async def document(self, user_id: str) -> AsyncIterator[bytes]:
        """Write the document in pieces, the first of which has the account. Raises UnknownUser,
        before the first one.
        """
        rows = await self._postgres.read(SQL["read_kept_account"], _of(user_id))
        if not rows:
            raise UnknownUser
        account = dict(zip(ACCOUNT, rows[0], strict=True))
        if account["email"].endswith(NO_ADDRESS):
            account["email"] = None
        head = {"exportedAt": datetime.now(UTC), "account": account}
        yield _json(head)[:-1]
        for section in SECTIONS:
            yield b',"%s":[' % section.name.encode()
            async for piece in self._rows(section, user_id):
                yield piece
            yield b"]"
        yield b"}"

    async def _rows(self, section: Section, user_id: str) -> AsyncIterator[bytes]:
        after, separator = section.first, b""
        while True:
            asked = _of(user_id) | {"after": after, "limit": PAGE}
            rows = await self._postgres.read(SQL[section.statement], asked)
            if rows:
                yield separator + b",".join(_json(_members(section, row)) for row in rows)
                after, separator = rows[-1][0], b","
            if len(rows) < PAGE:  # guard: export-paged
                return


def _of(user_id: str) -> dict[str, Any]:
    return {"user_id": user_id, "no_password": NO_PASSWORD}


def _members(section: Section, row: Row) -> Mapping[str, Any]:
    return dict(zip(section.members, row[1:], strict=True))


def _json(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps(document, _written, orjson.OPT_PASSTHROUGH_DATETIME)


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return exact_timestamp(value)
    raise TypeError
