"""The rows of the audit, and those that are sought."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from scoreboard.audit.queries import SQL
from scoreboard.connections.postgres import Postgres

# The members of a row, as the API, lists and exports name them.
MEMBERS: Final = (
    *("auditId", "at", "madeBy", "act", "userId", "boardId", "season"),
    *("details", "reason", "requestId", "digest"),
)
_PAGE: Final = 1000
# Behind it there are also rows with a number that the trigger never gives.
_BEFORE_ALL: Final = -(2**63)


@dataclass(frozen=True, slots=True)
class Row:
    """What was done: `at` in UTC to the microsecond, `details` as JSON, both in the very form that
    `digest` is made of. Columns that somebody has tampered with may hold anything.
    """

    audit_id: int
    at: str
    made_by: str
    act: str
    user_id: str | None
    board_id: str | None
    season: int | None
    details: str
    reason: str
    request_id: str | None
    digest: str

    def as_json(self) -> dict[str, Any]:
        """The row as clients and operators see it."""
        return {
            "auditId": self.audit_id,
            "at": self.at,
            "madeBy": self.made_by,
            "act": self.act,
            "userId": self.user_id,
            "boardId": self.board_id,
            "season": self.season,
            "details": json.loads(self.details),
            "reason": self.reason,
            "requestId": self.request_id,
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True)
class Sought:
    """Which rows: those about a user, of an act, by somebody, since a time; `board_ids`: about
    these boards alone.
    """

    user_id: str | None = None
    act: str | None = None
    made_by: str | None = None
    since: datetime | None = None
    board_ids: Collection[str] | None = None


ALL: Final = Sought()


async def page(postgres: Postgres, sought: Sought, after: int, limit: int) -> list[Row]:
    """Read rows behind this one, the oldest first. Raises LedgerUnavailable."""
    parameters = {
        "user_id": sought.user_id,
        "act": sought.act,
        "made_by": sought.made_by,
        "since": sought.since,
        "board_ids": None if sought.board_ids is None else sorted(sought.board_ids),
        "after": after,
        "limit": limit,
    }
    return [Row(*row) for row in await postgres.read(SQL["read_audit"], parameters)]


async def everything(
    postgres: Postgres, sought: Sought = ALL, after: int = _BEFORE_ALL, limit: int | None = None
) -> AsyncIterator[Row]:
    """Read all rows that are sought, by the page. Raises LedgerUnavailable."""
    left = math.inf if limit is None else limit
    while left > 0 and (found := await page(postgres, sought, after, int(min(_PAGE, left)))):
        for row in found:
            yield row
        left -= len(found)
        after = found[-1].audit_id
