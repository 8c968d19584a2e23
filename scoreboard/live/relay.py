"""The relay keeps every copy on this instance level with the ledger.

Boards arrive from the bus. Since a message can be lost (an instance killed between commit and
publish, a broker that restarts), the relay also compares versions with the ledger: every
`interval_seconds`, and at once when the bus was connected anew. So no copy stays behind for longer
than that.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping
from typing import Protocol

import structlog

from scoreboard.errors import LedgerUnavailable
from scoreboard.operations.metrics import Metrics
from scoreboard.scoring.model import Board

log = structlog.get_logger("scoreboard.relay")


class Truth(Protocol):
    """Where versions come from."""

    async def version(self) -> int:
        """Read the version alone. Raises LedgerUnavailable."""

    async def board(self) -> Board:
        """Read the whole board. Raises LedgerUnavailable."""


class Copy(Protocol):
    """Something that holds a board and can be behind."""

    async def is_behind(self, version: int) -> bool:
        """Compare with the ledger's version."""

    async def catch_up(self, board: Board) -> None:
        """Take the ledger's board."""


class Relay:
    """Compares `copies` (by name) with the truth. `run` goes on until it is cancelled."""

    def __init__(
        self, truth: Truth, copies: Mapping[str, Copy], metrics: Metrics, *, interval_seconds: float
    ) -> None:
        self._truth = truth
        self._copies = dict(copies)
        self._metrics = metrics
        self._interval_seconds = interval_seconds
        self._due = asyncio.Event()

    def hurry(self) -> None:
        """Compare now: something may have been missed."""
        self._due.set()

    async def run(self) -> None:
        """Compare for ever, with jitter so that instances do not ask in step."""
        while True:
            await self.reconcile()
            await self._pause(self._interval_seconds * random.uniform(0.8, 1.0))  # noqa: S311 - no secret

    async def reconcile(self) -> None:
        """Compare once, and hand the ledger's board to each copy that is behind."""
        try:
            version = await self._truth.version()
            self._metrics.board_version.labels("ledger").set(version)
            behind = [name for name, copy in self._copies.items() if await copy.is_behind(version)]
            if behind:
                await self._catch_up(behind)
        except LedgerUnavailable:
            self._metrics.reconcile_failures.inc()

    async def _catch_up(self, names: list[str]) -> None:
        board = await self._truth.board()
        for name in names:
            self._metrics.catch_ups.labels(name).inc()
            log.debug("scoreboard.relay.catch_up", copy=name, version=board.version)
            await self._copies[name].catch_up(board)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._due.wait()
        self._due.clear()
