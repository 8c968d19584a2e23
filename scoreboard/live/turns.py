"""Seasons turn when they are due: whoever sees it first does it, and tells everybody.

The relay sees it, and a batch that granted something in a season that no board shows yet. One turn
is under way here at a time, however many have seen it. Instances that see it together do not all
queue for the lock that keeps grants out: each waits for a moment of its own, and looks again.

A turn that fails (grants under way hold it up, the ledger is away) is counted, and tried again with
the relay's next look.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

import structlog

from scoreboard.errors import LedgerUnavailable
from scoreboard.ledger.ledger import Ledger
from scoreboard.live.announcer import Announcer
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.turns")

_MOMENT_SECONDS: Final = 0.1


class Turns:
    """Turns what is due."""

    def __init__(self, ledger: Ledger, announcer: Announcer, metrics: Metrics) -> None:
        self._ledger = ledger
        self._announcer = announcer
        self._metrics = metrics
        self._due = asyncio.Event()
        self._turning = asyncio.Lock()
        self._seldom = Seldom()

    def be_due(self) -> None:
        """A season is due. Nobody waits for its turn."""
        self._due.set()

    async def run(self) -> None:
        """Turn until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            await asyncio.sleep(random.uniform(0, _MOMENT_SECONDS))  # noqa: S311 - no secret
            async with self._turning:
                await self._turn()

    async def finish(self) -> None:
        """Finish a turn that is under way, and begin no other."""
        await self._turning.acquire()

    async def _turn(self) -> None:
        try:
            if not (await self._ledger.versions()).is_due:  # guard: turn-looked-before
                return
            boards = await self._ledger.turn()
        except LedgerUnavailable as error:
            self._metrics.season_turns_failed.inc()
            if self._seldom.due(type(error).__name__):
                log.warning("scoreboard.turns.failed", reason=str(error.__cause__ or error))
            return
        self._metrics.season_turns.inc()
        log.info("scoreboard.turns.turned", boards=len(boards))
        if boards:
            await self._announcer.announce(boards)  # guard: turned-boards-announced
