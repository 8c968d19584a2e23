"""The catalogue: which actions there are and what each is worth. Operators maintain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scoreboard.connections.postgres import Postgres
from scoreboard.scoring.ledger import SQL

PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be completed; `points` is what the server grants for it."""

    action_id: str
    points: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load changed."""

    added: int
    changed: int
    unchanged: int


class Catalogue:
    """Reads and loads actions."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def load(self, points: Mapping[str, int]) -> Loaded:
        """Add or change actions, all or none. Grants made before keep the points that they were
        made with.

        Raises StatementRefused when a value does not fit its column, LedgerUnavailable.
        """
        rows = await self._postgres.fetch(
            SQL["load_actions"], {"action_ids": list(points), "points": list(points.values())}
        )
        added = sum(is_new for (is_new,) in rows)
        return Loaded(added, len(rows) - added, len(points) - len(rows))

    async def list(self, after: str = "", limit: int = PAGE) -> list[Action]:
        """A page of the catalogue in the order of action ids, from behind `after`. Raises
        LedgerUnavailable.
        """
        rows = await self._postgres.fetch(SQL["list_actions"], {"after": after, "limit": limit})
        return [Action(*row) for row in rows]
