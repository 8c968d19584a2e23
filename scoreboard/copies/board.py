"""One board as this instance reads it: from the copy in Redis when that may be trusted, else from
the ledger; and while the ledger is silent, from what is at hand.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from scoreboard.connections.coalescing import Coalescer
from scoreboard.connections.redis import RedisUnavailable
from scoreboard.copies.comparison import Comparison, look_together
from scoreboard.copies.copy import Found, RedisCopy, note_seen, store_together
from scoreboard.copies.delivery import Delivery, Outcome
from scoreboard.copies.questions import Questions
from scoreboard.copies.trust import Doubt, Trust
from scoreboard.model import Board, BoardId
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.board")

_WAITING_MAX: Final = 20_000
# How long a read in doubt waits for a ledger that is silent, if it has a board at hand. A ledger
# that is well answers within 3 ms, on a crowded machine within 100.
PATIENCE_SECONDS: Final = 0.75  # guard: without-redis-slow


@dataclass(frozen=True, slots=True)
class Reading:
    """A board, and how many seconds ago it was known to be the newest; None as of the read."""

    board: Board
    age_seconds: int | None = None


class CachedBoard:
    """Reads and stores the copy of one board; asks the ledger whenever the copy cannot be trusted.

    `delivery` is that of all boards. `comparison` is what brings trust: the relay's part of it.
    """

    def __init__(
        self,
        copy: RedisCopy,
        questions: Questions,
        metrics: Metrics,
        trust: Trust,
        delivery: Delivery,
    ) -> None:
        self.copy = copy
        self.redis = copy.redis
        self.delivery = delivery
        self._questions = questions
        self._metrics = metrics
        self._trust = trust
        self._seldom = Seldom()
        self._reads: Coalescer[None, Reading] = Coalescer(
            self._read_for_all,
            batch_max=_WAITING_MAX,
            waiting_max=_WAITING_MAX,
            on_overload=metrics.overloads.labels("board_reads").inc,
        )
        # The highest version that Redis was found with, or given; none that is older is trusted.
        self._stored_version = -1
        self.comparison = Comparison(copy, questions, metrics, trust, self._judged)
        # When it was read, and when it was read or stored, by the monotonic clock.
        self.read_at, self.used_at = -math.inf, time.monotonic()

    @property
    def board_id(self) -> BoardId:
        """Which board it is."""
        return self.copy.board_id

    @property
    def version(self) -> int:
        """The version of the newest board that is known here, -1 for none."""
        return -1 if self._trust.latest is None else self._trust.latest.version

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing of it is under way."""
        return not (self._reads.is_busy or self._questions.are_open)

    async def read(self) -> Reading:
        """Return a board at least as new as any that was stored before the call; or, while neither
        Redis nor the ledger can say which those are, the newest that is at hand, with its age.

        Raises LedgerUnavailable when there is none, and Overloaded when too many wait.
        """
        self.read_at = self.used_at = time.monotonic()
        return await self._reads.join(None)

    def confirmed(self, version: bytes | None, generation: int) -> Board | None:
        """The board to show without a read, as `Trust.confirmed` has it: Redis said in this
        generation of its connections that its copy bears this version.
        """
        self.read_at = time.monotonic()
        if generation != self.redis.generation:  # guard: check-vouches-nothing
            return None
        return self._trust.confirmed(version, generation)

    def hear_of(self, board: Board) -> None:
        """Know of a board, whoever told it: an older one from Redis is not served any more."""
        self._trust.hear_of(board)

    async def store(self, board: Board) -> bool:
        """Put a board into Redis unless it holds a newer one. Answers whether Redis took it; where
        it did not, that is counted.

        While Redis has only just gone, perhaps for us alone, others trust what lies there: this
        returns once Redis has the board, or they have compared theirs with the ledger.
        """
        return await store_boards([(self, board)])

    def has_reached(self, version: int) -> bool:
        """Whether Redis is known to have had a board of this version or a newer one."""
        self.used_at = time.monotonic()
        return version <= self._stored_version

    def newest(self, version: int) -> Board | None:
        """The newest board that is known here, if that is of this version or a newer one."""
        latest = self._trust.latest
        return None if latest is None or latest.version < version else latest

    def note_delivery(self, version: int, outcome: Outcome) -> None:
        """Count what Redis did not take; and remember that no older board than of this version is
        trusted there, unless it failed.
        """
        self.used_at = time.monotonic()
        if outcome != "taken":
            self._metrics.cache_stores_failed.inc()
        if outcome != "failed":  # guard: not-reached-not-noted
            self._stored_version = max(self._stored_version, version)

    # For the relay

    async def held(self) -> Sequence[Board]:
        """The boards that reads of this instance may have shown: the newest, and what lies in
        Redis. What is no board of ours there is taken away. The ledger is asked after that, so
        nothing newer is lost.
        """
        return await look_together([self.comparison])

    async def begin_anew(self, board: Board) -> None:
        """Take the ledger's board though it is older. The next who reads fills Redis: the ledger
        may have gone on since.
        """
        self._trust.begin_anew(board)
        self.comparison.rest()
        self._stored_version = -1  # guard: board-numbered-anew
        try:
            await self.copy.drop()
        except RedisUnavailable:
            self._metrics.cache_stores_failed.inc()

    async def forget(self) -> None:
        """The board is gone: take its copy away."""
        with contextlib.suppress(RedisUnavailable):
            await self.copy.drop()

    async def close(self) -> None:
        """Finish what is under way: reads, which store what the ledger gave, and questions."""
        await self._reads.close()
        await self._questions.close()

    async def _read_for_all(self, readers: Sequence[None]) -> list[Reading | Exception]:
        doubt: Doubt | None = "away"
        with contextlib.suppress(RedisUnavailable):  # guard: outages-without-redis
            doubt = self._trust.doubt(await self._find(), self.redis.generation)
        if doubt is None and self._trust.latest is not None:
            return [Reading(self._trust.latest)] * len(readers)
        self._metrics.board_reads_from_ledger.labels(doubt).inc()
        return [await self._read_truth()] * len(readers)

    async def _find(self) -> Found:
        """Look at the copy, and know of its board. Raises RedisUnavailable."""
        return self._judged(await self.copy.read())

    def _judged(self, found: Found) -> Found:
        """Know of the board that was found."""
        found = self._trust.checked(found)
        if found.fault is not None:
            self._metrics.copies_refused.labels(found.fault).inc()
            if self._seldom.due(found.fault):
                log.warning("scoreboard.board.copy_refused", board=self.board_id, fault=found.fault)
        if found.board is not None:
            self._trust.hear_of(found.board)  # guard: shown-doubt-known
            self._stored_version = max(self._stored_version, found.board.version)
        return found

    async def _read_truth(self) -> Reading:
        """Ask the ledger. While that is silent or away, the newest board that we know is better
        than a long wait. Its age counts from when the ledger was last asked what it answered, or
        else from when the board changed.
        """
        if self._trust.latest is None:
            return Reading(await self._ask())
        board = await self._questions.within(PATIENCE_SECONDS, self._ask)
        if board is not None:
            return Reading(board)
        self._metrics.board_reads_in_doubt.inc()
        latest, ago = self._trust.latest, self._questions.confirmed_seconds_ago
        if ago is None:
            ago = (datetime.now(UTC) - latest.changed_at).total_seconds()
        return Reading(latest, max(1, math.ceil(ago)))

    async def _ask(self) -> Board:
        board = await self._questions.board()
        self._trust.hear_of(board)
        try:
            await self.copy.store(board)
        except RedisUnavailable:
            self._metrics.cache_stores_failed.inc()
        return board


async def store_boards(stored: Sequence[tuple[CachedBoard, Board]]) -> bool:
    """Put several boards into Redis in one call, and answer as `CachedBoard.store` for all of
    them.
    """
    for cached, board in stored:
        cached.hear_of(board)
    copies = [(cached.copy, board) for cached, board in stored]
    versions = [(cached, board.version) for cached, board in stored]
    return await _deliver(lambda: store_together(copies), versions)


async def reach_versions(seen: Sequence[tuple[CachedBoard, int]]) -> None:
    """Let nobody be shown an older board than of these versions: store what is known here. Of the
    others Redis gets the version alone: whoever reads asks the ledger.
    """
    newest = [(cached, version, cached.newest(version)) for cached, version in seen]
    if known := [(cached, board) for cached, _, board in newest if board is not None]:
        await store_boards(known)
    if unknown := [(cached, version) for cached, version, board in newest if board is None]:
        copies = [(cached.copy, version) for cached, version in unknown]
        await _deliver(lambda: note_seen(copies), unknown)  # guard: unknown-board-noted


async def _deliver(
    give: Callable[[], Awaitable[object]], versions: Sequence[tuple[CachedBoard, int]]
) -> bool:
    """Bring to Redis what `give` puts there, of these versions. Answers whether Redis took it."""
    copies = [(cached.copy, version) for cached, version in versions]
    outcome = await versions[0][0].delivery.of(give, copies)
    for cached, version in versions:
        cached.note_delivery(version, outcome)
    return outcome == "taken"
