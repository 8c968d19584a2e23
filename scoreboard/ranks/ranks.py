"""Ranks: the rankings that are held here, because somebody asked for places that lie deep in them.

Who asks never waits for a ranking, unless they want to: it is loaded in the background, one after
the other, and followed from then on by a turn once a second, or sooner while much moves. While
PostgreSQL is away, all stays as it is: whoever counts with it does so by a statement, which sees
whether it still may.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Final

import structlog

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import StatementRefused
from scoreboard.errors import LedgerUnavailable
from scoreboard.operations.counted import RankingLoss
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics
from scoreboard.ranks.anchors import Held, Moves
from scoreboard.ranks.held import HeldRanking
from scoreboard.ranks.keys import RankingId
from scoreboard.ranks.load import load
from scoreboard.ranks.moves import Followed
from scoreboard.ranks.turn import Turns

log = structlog.get_logger("scoreboard.ranks")

# What nobody has asked for is forgotten.
ASKED_WITHIN_SECONDS: Final = 600.0
# Rankings that are held, and parts of all of them: those of 250 million entries, 20 MB.
_HELD_MAX: Final = 1_000
_PARTS_MAX: Final = 500_000
# Rankings that somebody asked for: those held, and those to be loaded.
_ASKED_MAX: Final = 2 * _HELD_MAX
# Each rank that is asked for adds up what has moved since the last turn, at 2 µs a key. Past so
# many the next turn follows sooner.
_MANY: Final = 500
_SOONER: Final = 0.25
# After a load that failed.
_REST_SECONDS: Final = 1.0

Listener = Callable[[Sequence[Moves]], None]


class Ranks:
    """Holds rankings; `run` loads and follows them until it is cancelled."""

    def __init__(
        self,
        postgres: Postgres,
        metrics: Metrics,
        *,
        interval_seconds: float = 1.0,
    ) -> None:
        self._postgres = postgres
        self._metrics = metrics
        self._interval_seconds = interval_seconds
        self._held: dict[RankingId, HeldRanking] = {}
        # When each was asked for, the latest last.
        self._asked: OrderedDict[RankingId, float] = OrderedDict()
        # How often each of these was asked for in vain since it was loaded, or that was tried.
        self._missed: dict[RankingId, int] = {}
        # What was kept of these may be as wrong as what was held.
        self._doubted: set[RankingId] = set()
        self._wanted = asyncio.Event()
        self._loaded = asyncio.Event()  # of the load that is under way, or comes next
        self._rests = False
        self._moved = 0  # keys, in the last turn
        self._listeners: list[Listener] = []
        self._turns = Turns()
        self._seldom = Seldom()

    def held(self, ranking_id: RankingId) -> Held | None:
        """The fences of a ranking, None where they are not here (yet). Whoever asks sees to it that
        they will be.
        """
        self._asked[ranking_id] = time.monotonic()
        self._asked.move_to_end(ranking_id)
        if len(self._asked) > _ASKED_MAX:
            self._forget_asked(next(iter(self._asked)))
        held = self._held.get(ranking_id)
        if held is None:
            self._missed[ranking_id] = self._missed.get(ranking_id, 0) + 1
            self._wanted.set()
        return held

    async def wait(self, ranking_id: RankingId, seconds: float) -> Held | None:
        """The same; waits up to so long for a ranking that is to be loaded."""
        held = self.held(ranking_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while held is None and not self._rests:
                    await self._loaded.wait()
                    held = self._held.get(ranking_id)
        return held

    def all_held(self) -> list[HeldRanking]:
        """All rankings that are held."""
        return list(self._held.values())

    def on_moves(self, listener: Listener) -> None:
        """Tell this one, once a turn, what has moved in the rankings that are held. Moves without
        keys are of a ranking that was loaded: what moved before that nobody has told.
        """
        self._listeners.append(listener)

    async def run(self) -> None:
        """Load and follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._load())

    async def turn(self) -> None:
        """Follow what is held, once. Raises LedgerUnavailable."""
        before = list(self._held.values())
        started = time.perf_counter()
        async with self._postgres.session() as session:
            followed = await self._turns.take(session, before)
        self._metrics.rank_turn_seconds.observe(time.perf_counter() - started)
        self._take(before, followed)
        self._evict()

    @property
    def pause_seconds(self) -> float:
        """How long until the next turn, before jitter."""
        return self._interval_seconds * (_SOONER if self._moved > _MANY else 1)

    async def _follow(self) -> None:
        """Take turns, with jitter so that instances do not ask in step."""
        while True:
            await asyncio.sleep(self.pause_seconds * random.uniform(0.8, 1.0))  # noqa: S311 - no secret
            if not self._held:
                continue
            try:
                await self.turn()
            except (LedgerUnavailable, StatementRefused) as error:  # guard: ranks-outlive-outage
                self._metrics.rank_turns_failed.inc()
                if self._seldom.due("turn"):
                    reason = str(error.__cause__ or error)
                    log.warning("scoreboard.ranks.turn_failed", reason=reason)

    def _take(self, before: Collection[HeldRanking], followed: Followed) -> None:
        """Hold what a turn answered. Meanwhile others may have been loaded, and stay."""
        for ranking in before:
            ranking_id = ranking.ranking_id
            if self._held.get(ranking_id) is not ranking:
                continue
            if ranking_id in followed.held:
                self._held[ranking_id] = followed.held[ranking_id]
            else:
                self._forget(ranking_id, followed.lost[ranking_id])
        self._moved = sum(len(each.removed) + len(each.added) for each in followed.moves)
        self._metrics.rank_moves.inc(self._moved)
        if followed.moves:
            self._tell(followed.moves)

    def _tell(self, moves: Sequence[Moves]) -> None:
        for listener in self._listeners:
            listener(moves)

    def _forget(self, ranking_id: RankingId, why: RankingLoss) -> None:
        """It is loaded anew, if somebody has asked for it of late."""
        del self._held[ranking_id]
        self._wanted.set()
        self._metrics.rankings_lost.labels(why).inc()
        if why == "wrong":
            self._doubted.add(ranking_id)  # guard: doubted-not-kept
            if self._seldom.due(why):
                log.error("scoreboard.ranks.wrong", ranking=ranking_id)

    async def _load(self) -> None:
        """Load what is wanted, one after the other. Nobody gets more of PostgreSQL than half of the
        time, however many rankings strangers ask for.
        """
        while True:
            await self._wanted.wait()
            started = time.monotonic()
            await self.load_next()
            took = time.monotonic() - started
            await asyncio.sleep(max(took, _REST_SECONDS) if self._rests else took)

    async def load_next(self) -> None:
        """Load one of the rankings that are wanted, if there is one."""
        ranking_id = self._next()
        if ranking_id is None:
            self._wanted.clear()
            return
        self._rests = False
        self._missed.pop(ranking_id, None)
        try:
            async with self._postgres.session() as session:
                is_sound = ranking_id not in self._doubted
                ranking, source = await load(session, ranking_id, may_be_kept=is_sound)
        except (LedgerUnavailable, StatementRefused) as error:
            self._rests = True
            self._metrics.rank_loads_failed.inc()
            if self._seldom.due("load"):
                reason = str(error.__cause__ or error)
                log.warning("scoreboard.ranks.load_failed", reason=reason)
        else:
            self._held[ranking_id] = ranking
            self._tell([Moves(ranking_id, (), ())])
            self._doubted.discard(ranking_id)
            self._metrics.rank_loads.labels(source).inc()
            self._evict()
        loaded, self._loaded = self._loaded, asyncio.Event()
        loaded.set()

    def _next(self) -> RankingId | None:
        """What to load: what was asked for most often, so that a stranger who asks for one season
        after the other keeps nobody waiting; of several, what was asked for latest.
        """
        missing = (each for each in reversed(self._asked) if each not in self._held)
        # guard: most-wanted-first
        return max(missing, key=lambda each: self._missed.get(each, 0), default=None)

    def _forget_asked(self, ranking_id: RankingId) -> None:
        del self._asked[ranking_id]
        self._missed.pop(ranking_id, None)

    def _evict(self) -> None:
        """Forget what nobody asked for of late, and beyond the bounds what was asked for first."""
        asked_after = time.monotonic() - ASKED_WITHIN_SECONDS
        while self._asked and next(iter(self._asked.values())) < asked_after:
            self._forget_asked(next(iter(self._asked)))
        for ranking_id in self._held.keys() - self._asked.keys():
            del self._held[ranking_id]
        parts = sum(ranking.fences.parts for ranking in self._held.values())
        for ranking_id in list(self._asked):
            if len(self._held) <= 1 or (len(self._held) <= _HELD_MAX and parts <= _PARTS_MAX):
                break
            if (evicted := self._held.pop(ranking_id, None)) is not None:
                parts -= evicted.fences.parts
                self._forget_asked(ranking_id)
        self._show()

    def _show(self) -> None:
        held = self._held.values()
        self._metrics.rankings_held.set(len(held))
        self._metrics.rank_entries_held.set(sum(ranking.total for ranking in held))
        self._metrics.rank_bytes_held.set(sum(ranking.fences.size for ranking in held))
