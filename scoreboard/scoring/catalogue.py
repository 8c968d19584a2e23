"""The catalogue: which actions there are and what each is worth. Operators maintain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scoreboard.connections.postgres import Postgres
from scoreboard.scoring.action_ids import composed
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
        """Add or change actions, all or none. `points` are by action id. Grants made before keep
        the points that they were made with.

        Raises StatementRefused when a value does not fit its column, LedgerUnavailable.
        """
        older = await self._spellings()
        action_ids = [older.get(action_id, action_id) for action_id in points]
        rows = await self._postgres.fetch(
            SQL["load_actions"], {"action_ids": action_ids, "points": list(points.values())}
        )
        added = sum(is_new for (is_new,) in rows)
        return Loaded(added, len(rows) - added, len(points) - len(rows))

    async def list(self, after: str = "", limit: int = PAGE) -> list[Action]:
        """A page of the catalogue in the order of action ids, from behind `after`. Raises
        LedgerUnavailable.
        """
        rows = await self._postgres.fetch(SQL["list_actions"], {"after": after, "limit": limit})
        return [Action(*row) for row in rows]

    async def _spellings(self) -> dict[str, str]:
        """Read which composed ids stand in the catalogue decomposed, from before ids were composed.
        Such an action gets the points: an action beside it that looks the same would be granted as
        well.
        """
        rows = await self._postgres.fetch(SQL["decomposed_actions"])
        return {composed(action_id): action_id for (action_id,) in rows}
