"""A fall that is under way until it is let go, and what it holds up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from scoreboard.connections.postgres import Postgres
from scoreboard.ledger.falling import fall
from scoreboard.ledger.moderation import Order
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.transaction import Transaction
from scoreboard.model import Board, BoardId
from tests.granting import grant_by
from tests.world import sql

ORDER = Order("operator:test", "a test")


@dataclass
class HeldFall:
    """The removal of some users, which goes on once `go` is set; `began` when they are removed."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[tuple[None, list[Board]]] | None = None

    async def end(self) -> list[Board]:
        """Let it go on, and return the boards that it renewed."""
        assert self.task is not None
        self.go.set()
        _, boards = await self.task
        return boards


@asynccontextmanager
async def a_held_fall(
    database_url: str, user_ids: list[str], *, removes_first: bool = True
) -> AsyncIterator[HeldFall]:
    """The fall in the middle of its change: the users are removed, or about to be, and nothing is
    committed.
    """
    held = HeldFall()

    async def remove(begun: Transaction) -> tuple[None, list[BoardId]]:
        if removes_first:
            await begun.run(SQL["delete_users"], {"user_ids": user_ids})
        held.began.set()
        await held.go.wait()
        if not removes_first:
            await begun.run(SQL["delete_users"], {"user_ids": user_ids})
        return None, []

    postgres = Postgres(database_url, sessions=1, timeout_seconds=30.0, name="test.fall")
    async with postgres.session() as session:
        held.task = asyncio.create_task(fall(session, user_ids, remove))
        began = asyncio.create_task(held.began.wait())
        await asyncio.wait([held.task, began], return_when=asyncio.FIRST_COMPLETED)
        try:
            yield held
        finally:
            held.go.set()
            began.cancel()
            await asyncio.wait([held.task])
    await postgres.finish()


def granted(cursor: Any, user: str, action: str) -> bool:
    """Grant by this cursor, without COMMIT, and answer whether the score reaches `main`."""
    return grant_by(cursor, user, action)["raised"] is not None


def waits_for_grants(database_url: str) -> bool:
    """Whether a fall looks again and again whether the grants from before it have ended."""
    rows = sql(
        database_url,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND query LIKE %s AND pid <> pg_backend_pid()",
        ("SELECT virtualtransaction%",),
    )
    return bool(rows)
