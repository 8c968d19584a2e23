"""The end of an account by its own user: what was begun is done, also when the client leaves."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from scoreboard.ledger.moderation import Moderation, Order
from scoreboard.live.announcer import Announcer

log = structlog.get_logger("scoreboard.accounts")

_ORDER: Final = Order(made_by="user", reason="The user deleted the account.")


class Erasure:
    """Erases who asks for it, and tells everybody of the boards that show something else since."""

    def __init__(self, moderation: Moderation, announcer: Announcer) -> None:
        self._moderation = moderation
        self._announcer = announcer
        self._running: set[asyncio.Task[None]] = set()

    async def erase(self, user_id: str) -> None:
        """Raises UnknownUser, LedgerUnavailable."""
        task = asyncio.create_task(self._erase(user_id))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for those that were begun."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _erase(self, user_id: str) -> None:
        done = await self._moderation.erase(user_id, _ORDER)
        log.info("scoreboard.accounts.erased", user_id=user_id)
        await self._announcer.announce(done.boards)
