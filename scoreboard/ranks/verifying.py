"""Compares what is kept of a board's rankings with its entries, and has it counted anew.

As a process that begins would: what is kept, and all that has moved since. Each part is counted by
PostgreSQL in the same snapshot, so a difference is one for certain.
"""

from __future__ import annotations

from typing import Final

from scoreboard.connections import session_settings
from scoreboard.connections.postgres import Postgres
from scoreboard.ledger.transaction import Transaction, snapshot
from scoreboard.model import BoardId
from scoreboard.ranks.held import NotTold, Present, read_present
from scoreboard.ranks.keys import MAIN_RANKING, RankingId
from scoreboard.ranks.load import kept
from scoreboard.ranks.parts import count_part
from scoreboard.ranks.queries import SQL

_TABLES: Final = ["scores", "season_entries"]


class KeptFences:
    """What is kept in PostgreSQL, as operators look at it."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def differences(self, board_id: BoardId) -> list[str]:
        """Say what differs, and whether all that moves is noted. Raises LedgerUnavailable."""
        found = await self._not_noted()
        async with self._postgres.session() as session, snapshot(session) as begun:
            try:
                present = await read_present(begun)
            except NotTold:  # then nobody counts by what is kept
                return found
            for ranking_id, number in await begun.run(SQL["read_rankings"], {"board_id": board_id}):
                which = "" if ranking_id == MAIN_RANKING else f" in season {number}"
                found += [
                    f"ranks{which}: {wrong}" for wrong in await _wrong(begun, present, ranking_id)
                ]
        return found

    async def count_anew(self, board_id: BoardId) -> None:
        """Have every instance count the rankings of a board anew. Raises LedgerUnavailable."""
        await self._postgres.fetch(SQL["count_anew"], {"board_id": board_id})

    async def _not_noted(self) -> list[str]:
        statement = session_settings.SQL["read_triggers"]
        [(gone, off, mends)] = await self._postgres.read(statement, {"relations": _TABLES})
        wrong = [f"the trigger {name} is gone" for name in gone]
        wrong += [f"triggers of {name} are switched off" for name in off]
        if mends:
            wrong.append("a session may switch triggers off")
        to_do = "`scoreboard check` says what to do"
        return [f"ranks: what moves is not noted, because {each} ({to_do})" for each in wrong]


async def _wrong(begun: Transaction, present: Present, ranking_id: RankingId) -> list[str]:
    ranking = await kept(begun, present, ranking_id)
    if ranking is None:  # it would be counted anew
        return []
    wrong, first = 0, ""
    for number in range(ranking.fences.parts):
        part = ranking.fences.part(number)
        count = await count_part(begun, ranking_id, part)
        if count != part.count:
            wrong += 1
            first = first or f"has {part.count} entries instead of {count}"
    of_all = f"{wrong} of {ranking.fences.parts} parts that are kept"
    return [f"{of_all} differ, of which the first {first}"] if wrong else []
