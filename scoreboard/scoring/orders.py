"""What servers order of moderation, and users of their own accounts: done to the end, and
announced.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from scoreboard.ledger.audited import Done
from scoreboard.ledger.moderation import Moderation
from scoreboard.live.announcer import Announcer
from scoreboard.scoring.finishing import Finishing

log = structlog.get_logger("scoreboard.moderation")

# Orders of one instance under way: scores fall once at a time, over all instances.
_RUNNING_MAX: Final = 32

Act = Callable[[Moderation], Awaitable[Done]]


class Orders:
    """Carries orders out, and tells everybody of the boards that show something else since."""

    def __init__(self, moderation: Moderation, announcer: Announcer) -> None:
        self._moderation = moderation
        self._announcer = announcer
        self._finishing = Finishing(_RUNNING_MAX)

    async def carry_out(self, act: Act) -> Done:
        """Do it, also when the client leaves. Raises Overloaded, and what the act raises."""
        return await self._finishing.finish(lambda: self._carry_out(act))

    async def close(self) -> None:
        """Wait for those that were begun."""
        await self._finishing.close()

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
