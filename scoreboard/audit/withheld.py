"""Who is hidden or banned, and why: as operators are told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from scoreboard.audit.queries import SQL
from scoreboard.connections.postgres import Postgres
from scoreboard.timestamps import timestamp


@dataclass(frozen=True, slots=True)
class Withheld:
    """A user who is hidden, banned or both, since when; each with the reason that was given last,
    None where the audit has none.
    """

    hidden_at: datetime | None
    hidden_why: str | None
    banned_at: datetime | None
    banned_why: str | None

    def as_json(self) -> dict[str, str | None]:
        """What of it there is, by the names of members."""
        found: dict[str, str | None] = {}
        if self.hidden_at is not None:
            found |= {"hiddenAt": timestamp(self.hidden_at), "hiddenBecause": self.hidden_why}
        if self.banned_at is not None:
            found |= {"bannedAt": timestamp(self.banned_at), "bannedBecause": self.banned_why}
        return found


async def among(postgres: Postgres, user_ids: Collection[str]) -> dict[str, Withheld]:
    """Find those of these users who are hidden or banned, by id. Raises LedgerUnavailable."""
    rows = await postgres.read(SQL["read_withheld"], {"user_ids": list(user_ids)})
    return {user_id: Withheld(*rest) for user_id, *rest in rows}
