"""Grants and boards as the release that knows one board makes and reads them: its statements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Row
from scoreboard.ledger.queries import RANKING
from scoreboard.model import BOARD_SIZE, MAIN

SQL = statements.load(
    "tests.integration",
    "one_board_release.sql",
    words={"ranking": RANKING, "size": str(BOARD_SIZE)},
)


class OneBoardRelease:
    """An instance of it, with one session: what was prepared once stays so."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def grant(self, user_id: str, action_id: str) -> int | None:
        """Grant, and return the score; None if it was granted before."""
        pair = {"user_ids": [user_id], "action_ids": [action_id]}
        async with self._postgres.session() as session:
            with session.pinned():
                statement = f"BEGIN; {SQL['grant']}"
                rows = await session.run(statement, pair, prepared=SQL["prepare_grant"])
                [(*_, score, _, reaches_board)] = rows
                if reaches_board:
                    await session.run(SQL["raise_board"], {"user_ids": [user_id]})
                await session.commit()
        return None if score is None else int(score)

    async def board(self) -> tuple[int, list[tuple[str, int]]]:
        """The version of the board, and its users with their scores."""
        rows = await self._postgres.read(SQL["read_board"], {"board_id": MAIN})
        return rows[0][0], [(user_id, score) for *_, user_id, _, score in rows if user_id]

    async def version(self) -> int:
        """The version of the board alone."""
        [(version,)] = await self._postgres.read(SQL["read_version"], {"board_id": MAIN})
        return int(version)

    async def lift(self, above: int) -> None:
        """Give the board a version above this one."""
        await self._postgres.fetch(SQL["lift_board"], {"above": above, "board_id": MAIN})

    async def renew(self) -> None:
        """Keep grants out, as it does where scores may fall, and renew the board."""
        async with self._postgres.session() as session:
            with session.pinned():
                await session.run(f"BEGIN; {SQL['lock_scores']}")
                await session.run(SQL["renew_board"], {"above": 0, "leap": None})
                await session.commit()

    async def tenth(self) -> Row:
        """The tenth score as it is kept, and as it is."""
        [row] = await self._postgres.read(SQL["compare_tenth"])
        return row


@asynccontextmanager
async def a_one_board_release(database_url: str) -> AsyncIterator[OneBoardRelease]:
    postgres = Postgres(database_url, sessions=1, timeout_seconds=5, name="test.one-board")
    try:
        yield OneBoardRelease(postgres)
    finally:
        postgres.close()
