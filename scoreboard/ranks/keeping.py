"""Keeps the fences of long rankings in PostgreSQL, so that an instance that begins need not count
them, and removes the movements that everybody has had time to see. One instance does so, once a
minute, and another one if that is gone; also where nobody asks for a place.

What is kept goes with the movements that it needs, in one statement. So a row of `fences` is right
together with the movements that its snapshot does not see.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from typing import Final

import structlog

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import StatementRefused
from scoreboard.errors import LedgerUnavailable
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics
from scoreboard.ranks.fences import Fences
from scoreboard.ranks.held import HeldRanking
from scoreboard.ranks.keys import RankingId
from scoreboard.ranks.queries import SQL
from scoreboard.ranks.ranks import Ranks

log = structlog.get_logger("scoreboard.ranks")

_ROUND_SECONDS: Final = 60.0
# Longer than any instance is suspended or cut off, as a rule. One that is, loads anew.
SEEN_SECONDS: Final = 900.0
# Then another instance takes over.
_LOST_SECONDS: Final = 2.5 * _ROUND_SECONDS
# Shorter rankings are counted in some 50 ms.
LONG: Final = 100_000
# Rows removed by a statement, some 0.1 s; and statements of a round.
_REMOVED_AT_ONCE: Final = 10_000
_REMOVALS_MAX: Final = 50


class Keeping:
    """Keeps what `ranks` hold. `name` is the instance's."""

    def __init__(
        self,
        postgres: Postgres,
        ranks: Ranks,
        metrics: Metrics,
        *,
        name: str,
        seen_seconds: float = SEEN_SECONDS,
        long: int = LONG,
    ) -> None:
        self._postgres = postgres
        self._ranks = ranks
        self._metrics = metrics
        self._seen_seconds = seen_seconds
        self._long = long
        self._us: dict[str, object] = {"keeper": name, "server": None}
        # The lowest xid that was under way, by when that was.
        self._xmins: deque[tuple[float, str]] = deque()
        # As they were written last.
        self._written: dict[RankingId, Fences] = {}
        self._seldom = Seldom()

    async def run(self) -> None:
        """Keep until cancelled, with jitter so that instances do not ask in step."""
        while True:
            await asyncio.sleep(_ROUND_SECONDS * random.uniform(0.8, 1.0))  # noqa: S311 - no secret
            try:
                await self.keep()
            except (LedgerUnavailable, StatementRefused) as error:  # then the next round does
                self._metrics.fence_rounds_failed.inc()
                if self._seldom.due("keep"):
                    reason = str(error.__cause__ or error)
                    log.warning("scoreboard.ranks.keep_failed", reason=reason)

    async def keep(self) -> None:
        """One round. Raises LedgerUnavailable, and then the next one finds what is left."""
        wanted = self._us | {"lost_seconds": _LOST_SECONDS}
        [(xmin, server, is_us, is_of_here)] = await self._postgres.fetch(
            SQL["take_keeping"], wanted
        )
        if server != self._us["server"]:
            self._us["server"] = server
            self._xmins.clear()
            self._written.clear()
        below = self._seen_by_all(xmin)
        if not is_us or server is None:  # guard: one-keeps
            self._written.clear()
            return
        if not is_of_here:
            await self._settle_here()
            return
        if below is not None:
            await self._remove(below)
        await self._postgres.fetch(SQL["forget_gone"])
        for ranking in self._ranks.all_held():
            if ranking.total > self._long:
                await self._write(ranking)
        for (ranking_id,) in await self._postgres.read(SQL["read_lagging"]):
            self._ranks.held(ranking_id)  # guard: kept-stays-fresh

    def _seen_by_all(self, xmin: str) -> str | None:
        """Below which xid every instance has had time to see; `xmin` is as of now."""
        now = time.monotonic()
        self._xmins.append((now, xmin))
        while len(self._xmins) > 1 and self._xmins[1][0] <= now - self._seen_seconds:
            self._xmins.popleft()
        then, below = self._xmins[0]
        return below if then <= now - self._seen_seconds else None  # guard: movements-seen-first

    async def _remove(self, below: str) -> None:
        """Remove movements that every instance has had time to see."""
        wanted = self._us | {"below": below, "limit": _REMOVED_AT_ONCE}
        for _ in range(_REMOVALS_MAX):
            [(removed,)] = await self._postgres.fetch(SQL["remove_movements"], wanted)
            self._metrics.movements_removed.inc(removed)
            if removed < _REMOVED_AT_ONCE:
                return

    async def _settle_here(self) -> None:
        """Remove what another cluster noted. Until then nobody here counts by movements."""
        for _ in range(_REMOVALS_MAX):
            [(removed,)] = await self._postgres.fetch(
                SQL["empty_movements"], {"limit": _REMOVED_AT_ONCE}
            )
            if removed < _REMOVED_AT_ONCE:
                await self._postgres.fetch(SQL["settle_here"], self._us)
                return

    async def _write(self, ranking: HeldRanking) -> None:
        """Keep a ranking, unless nothing of it has moved since it was written."""
        if self._written.get(ranking.ranking_id) is ranking.fences:
            return
        if ranking.server != self._us["server"]:
            return
        keys, counts = ranking.fences.packed()
        row = {
            "ranking_id": ranking.ranking_id,
            "snapshot": ranking.snapshot,
            "keys": keys,
            "counts": counts,
        }
        await self._postgres.fetch(SQL["keep_fences"], self._us | row)
        self._written[ranking.ranking_id] = ranking.fences
