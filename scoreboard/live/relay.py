"""The relay keeps every copy on this instance level with the ledger.

Boards arrive from the bus. Since a message can be lost (an instance killed between commit and
publish, a broker that restarts), the relay also compares each copy with the ledger: every
`interval_seconds`, and at once when the bus was connected anew. So no copy stays wrong for longer
than that.

    behind    it takes the ledger's board, unless that comes by itself within a moment: whoever
              committed it is telling everybody
    ahead, or another board under the same version
              the ledger went back (a backup, a promotion that lost commits), or somebody forged a
              board. The ledger's version is lifted above the one that was shown, so nobody who saw
              that one takes what is true for old
    far ahead (LEAP_MAX)
              no history leads there: the copy begins anew, and its clients are told to forget

Copies are looked at first and the ledger after them: what a sound copy holds was committed before,
so it can never look as if it were ahead. (docs/decisions/0020)
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import structlog

from scoreboard.errors import LedgerUnavailable
from scoreboard.model import LEAP_MAX, ON_ITS_WAY_SECONDS, VERSION_END, Board
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.relay")


class Truth(Protocol):
    """Where boards come from."""

    async def board(self) -> Board:
        """Read the board. Raises LedgerUnavailable."""

    async def lift(self, above: int) -> Board:
        """Raise the board's version above this one, and read it. Raises LedgerUnavailable."""


class Copy(Protocol):
    """Something that holds a board, and shows it."""

    async def held(self) -> Sequence[Board]:
        """The boards that it may have shown."""

    def lags(self, board: Board) -> bool:
        """Whether it has an older one, and this one may be on its way to it."""

    async def take(self, board: Board) -> bool:
        """Take the ledger's board in the place of an older one. Answers whether it had to."""

    async def begin_anew(self, board: Board) -> None:
        """Take the ledger's board in the place of a newer one."""


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
        self._seldom = Seldom()

    def hurry(self) -> None:
        """Compare now: something may have been missed."""
        self._due.set()

    async def run(self) -> None:
        """Compare for ever, with jitter so that instances do not ask in step."""
        while True:
            await self.reconcile()
            await self._pause(self._interval_seconds * random.uniform(0.8, 1.0))  # noqa: S311 - no secret

    async def reconcile(self) -> None:
        """Compare once, and mend each copy that is not as the ledger says."""
        held = [board for copy in self._copies.values() for board in await copy.held()]
        try:
            truth = await self._truth.board()
            ahead = _ahead(held, truth)
            if ahead is not None:
                truth = await self._overtake(ahead, held, truth)
        except LedgerUnavailable:
            self._metrics.reconcile_failures.inc()
            return
        self._metrics.board_version.labels("ledger").set(truth.version)
        if any(copy.lags(truth) for copy in self._copies.values()):
            await asyncio.sleep(ON_ITS_WAY_SECONDS)
        for name, copy in self._copies.items():
            if await copy.take(truth):
                self._metrics.catch_ups.labels(name).inc()
                log.debug("scoreboard.relay.catch_up", copy=name, version=truth.version)

    async def _overtake(self, shown: int, held: Sequence[Board], truth: Board) -> Board:
        """Get beyond a version that was shown and that the ledger does not know."""
        if shown - truth.version > LEAP_MAX or shown + 1 >= VERSION_END:
            self._note_divergence("renumbered", shown, truth.version)
            for copy in self._copies.values():
                await copy.begin_anew(truth)
            return truth
        # Whoever writes knows: a primary that was still answers reads, and commits nothing.
        written = await self._truth.lift(above=truth.version)
        if written.version > truth.version + 1 and _ahead(held, written) is None:
            return written
        self._note_divergence("lifted", shown, truth.version)
        return await self._truth.lift(above=shown)

    def _note_divergence(self, mended: str, shown: int, ledger: int) -> None:
        self._metrics.divergences.labels(mended).inc()
        if self._seldom.due(mended):
            log.error("scoreboard.relay.diverged", mended=mended, shown=shown, ledger=ledger)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._due.wait()
        self._due.clear()


def _ahead(held: Iterable[Board], truth: Board) -> int | None:
    """The highest version that was shown with what the ledger does not say of it."""
    unknown = [board.version for board in held if board.version >= truth.version and board != truth]
    return max(unknown, default=None)
