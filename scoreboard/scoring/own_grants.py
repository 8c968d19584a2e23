"""What a user has been granted, in the order of the catalogue, so that the two are read in step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import UnknownUser

SQL: Final = statements.load("scoreboard.scoring", "own_grants.sql")


@dataclass(frozen=True, slots=True)
class OwnGrant:
    """A grant: the action under the id that it has now, and the points that were granted then."""

    action_id: str
    points: int
    granted_at: datetime


class OwnGrants:
    """Reads grants from the ledger, because no copy has them."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def of(self, user_id: str, after: str, limit: int) -> Sequence[OwnGrant]:
        """Read a page of a user's grants, from behind the action `after`. Raises UnknownUser,
        LedgerUnavailable.
        """
        asked = {"user_id": user_id, "after": after, "limit": limit}
        rows = await self._postgres.read(SQL["read_own_grants"], asked)
        if not rows:
            raise UnknownUser
        return [OwnGrant(*row) for row in rows if row[0] is not None]
