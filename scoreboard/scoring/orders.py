"""What a server key orders of moderation: done to the end, and announced."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from scoreboard.errors import Overloaded
from scoreboard.ledger.audited import Done
from scoreboard.ledger.moderation import Moderation
from scoreboard.live.announcer import Announcer

log = structlog.get_logger("scoreboard.moderation")

# Orders of one instance under way: scores fall once at a time, over all instances.
_RUNNING_MAX: Final = 32

Act = Callable[[Moderation], Awaitable[Done]]


class Orders:
    """Carries orders out, and tells everybody of the boards that show something else since."""

    def __init__(self, moderation: Moderation, announcer: Announcer) -> None:
        self._moderation = moderation
        self._announcer = announcer
        self._running: set[asyncio.Task[Done]] = set()

    async def carry_out(self, act: Act) -> Done:
        """Do it, also when the client leaves. Raises Overloaded, and what the act raises."""
        if len(self._running) >= _RUNNING_MAX:  # guard: orders-bounded
            raise Overloaded
        task = asyncio.create_task(self._carry_out(act))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)  # guard: orders-finished

    async def close(self) -> None:
        """Wait for those that were begun."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _carry_out(self, act: Act) -> Done:
        done = await act(self._moderation)
        if not done.is_repeated:
            log.info(
                "scoreboard.moderation.done",
                act=done.act,
                audit_id=done.audit_id,
                user_id=done.user_id,
            )
        await self._announcer.announce(done.boards)
        return done
