"""The board as this instance reads it: from the copy in Redis when that may be trusted, else from
the ledger; and while the ledger is silent, from what is at hand. docs/consistency.md has the table
of all cases, below promise 4.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from scoreboard.connections.coalescing import Coalescer
from scoreboard.connections.redis import RedisUnavailable
from scoreboard.copies.copy import Found, RedisCopy
from scoreboard.copies.questions import Questions
from scoreboard.copies.trust import Trust
from scoreboard.model import LEAP_MAX, MAIN, Board
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.board")

_WAITING_MAX: Final = 20_000
# How long a read in doubt waits for a ledger that is silent, if it has a board at hand. A ledger
# that is well answers within 3 ms, on a crowded machine within 100.
PATIENCE_SECONDS: Final = 0.75


@dataclass(frozen=True, slots=True)
class Reading:
    """A board, and how long ago it was known to be the newest, in whole seconds from 1 on; None
    where that is known as of the read.
    """

    board: Board
    age_seconds: int | None = None


class CachedBoard:
    """Reads and stores the copy; asks the ledger whenever the copy cannot be trusted.

    It is trusted from the moment it was compared with the ledger (`take`, once a second) until a
    connection to Redis is made anew or a call fails: Redis may then have come back with an older
    board. `generation` is that of its connections (`connections.redis`). A trusted copy holds at
    least what was acknowledged, so any board of ours that is as new will do.

    Other instances notice within `noticed_seconds` that Redis is away, or that it lacks a board.
    """

    def __init__(
        self,
        copy: RedisCopy,
        questions: Questions,
        metrics: Metrics,
        trust: Trust | None = None,
        *,
        noticed_seconds: float = 0.0,
    ) -> None:
        self._copy = copy
        self._noticed_seconds = noticed_seconds
        self._questions = questions
        self._metrics = metrics
        self._trust = trust or Trust()
        self._seldom = Seldom()
        self._stores: Coalescer[Board, bool] = Coalescer(
            self._store_newest,
            batch_max=_WAITING_MAX,
            waiting_max=_WAITING_MAX,
            on_overload=metrics.overloads.labels("board_stores").inc,
        )
        self._reads: Coalescer[None, Reading] = Coalescer(
            self._read_for_all,
            batch_max=_WAITING_MAX,
            waiting_max=_WAITING_MAX,
            on_overload=metrics.overloads.labels("board_reads").inc,
        )
        self._latest: Board | None = None
        # The highest version that Redis was found with, or given, as far as it was to be reached.
        self._stored_version = -1
        # What `held` found in Redis, in which generation, and whether that had settled; None while
        # Redis is away.
        self._looked: tuple[int, Board | None, bool] | None = None

    async def store(self, board: Board) -> bool:
        """Put a board into Redis unless it holds a newer one. A Redis that does not take it raises
        nothing: the answer is then False, that is counted, and readers and the relay notice by the
        version. Raises Overloaded when too many wait, and ShuttingDown after `close`.
        """
        return await self._stores.join(board)

    async def reach(self, version: int) -> None:
        """Store the board, unless Redis is known to have had one of this version or a newer one.

        A batch that changes no board may have seen one that another instance has committed and not
        yet stored; whoever is granted beside it finds it, or one as new, in the next read. While
        the ledger is silent nobody waits for it. Raises Overloaded and ShuttingDown.
        """
        if version <= self._stored_version:
            return
        board = self._latest
        if board is None or board.version < version:
            board = await self._questions.within(PATIENCE_SECONDS, self._questions.board)
        if board is not None:
            await self.store(board)

    async def read(self) -> Reading:
        """Return a board at least as new as any that was stored before the call; or, while neither
        Redis nor the ledger can say which those are, the newest that is at hand, with its age.

        Raises LedgerUnavailable when there is none.
        """
        return await self._reads.join(None)

    def vouched(self, version: bytes | None, generation: int) -> Board | None:
        """The board to show, if the copy, of which Redis said in this generation of its connections
        that it bears this version, may be trusted, and we hold one as new: then it need not be
        read.
        """
        board = self._latest
        if board is None or version is None:
            return None
        if generation != self._copy.generation or not self._trust.holds(generation):
            return None
        if version == b"%d" % board.version:
            return board
        is_older = version.isdigit() and self._trust.is_on_its_way(board.version, int(version))
        return board if is_older else None

    def notice(self, board: Board) -> None:
        """Know of a board that this instance heard of, whoever told it: an older one from Redis is
        not served any more.
        """
        self._keep(board)

    # For the relay

    async def held(self) -> Sequence[Board]:
        """The boards that reads of this instance may have shown: the newest, and what lies in
        Redis. What is no board of ours there is taken away: the ledger is asked after that, so
        nothing newer is lost.
        """
        generation = self._copy.generation
        settled = self._trust.has_settled(generation)
        try:
            found = self._checked(await self._copy.read())
            if found.fault is not None:
                await self._copy.drop()
        except RedisUnavailable:
            self._looked = None  # there is nothing to mend while Redis is away
            return [] if self._latest is None else [self._latest]
        shown = found.board.version if found.board else -1
        self._metrics.show_version("redis", MAIN, shown)
        self._looked = generation, found.board, settled
        if found.board is not None:
            self._keep(found.board)
            self._note_stored(found.board)
        return [board for board in (self._latest, found.board) if board is not None]

    def lags(self, board: Board) -> bool:
        """Whether Redis had an older one when `held` looked, and may be given this one by whoever
        committed it: a copy that is trusted lost nothing.
        """
        if self._looked is None:
            return False
        generation, present, _ = self._looked
        return (
            present is not None
            and present.version < board.version
            and self._trust.holds(generation)
        )

    async def take(self, board: Board) -> bool:
        """Put the ledger's board, read after `held`, in the place of an older one, and trust the
        copy from here on. Answers whether it had to.

        A store that is under way takes no trust away: until it has succeeded nobody was told 200.
        """
        self._keep(board)
        if self._looked is None:
            return False
        generation, present, settled = self._looked
        changed = False
        if present != board:
            try:
                changed = await self._copy.store(board)
            except RedisUnavailable:
                self._metrics.cache_stores_failed.inc()
                return False
        if settled and generation == self._copy.generation:  # else one was made meanwhile
            self._trust.begin(generation)
        return changed

    async def begin_anew(self, board: Board) -> None:
        """Take the ledger's board though it is older. Redis is filled by the next who reads: the
        ledger may have gone on since.
        """
        self._trust.end()
        self._latest, self._looked, self._stored_version = board, None, -1
        try:
            await self._copy.drop()
        except RedisUnavailable:
            self._metrics.cache_stores_failed.inc()

    async def close(self) -> None:
        """Finish what is under way; reads first, because they store what the ledger gave."""
        await self._reads.close()
        await self._questions.close()
        await self._stores.close()

    async def _store_newest(self, boards: Sequence[Board]) -> Sequence[bool]:
        newest = max(boards, key=lambda board: board.version)
        self._keep(newest)
        is_stored = await self._stored(newest)
        if not is_stored:
            self._metrics.cache_stores_failed.inc()
        self._note_stored(newest)
        return [is_stored] * len(boards)

    async def _stored(self, board: Board) -> bool:
        """Store it. While Redis has only just gone, others may not have noticed, or it may be gone
        for us alone, and they trust what lies there: whoever asked is not told before it has the
        board, or they have compared theirs with the ledger.
        """
        until = time.monotonic() + self._noticed_seconds
        while True:
            with contextlib.suppress(RedisUnavailable):
                await self._copy.store(board)
                return True
            if time.monotonic() >= until or not await self._copy.until_back(self._noticed_seconds):
                return await self._withdrawn()

    async def _withdrawn(self) -> bool:
        """A Redis that is there and does not take the board (its memory is full, a right is
        missing) must not show the older one.
        """
        with contextlib.suppress(RedisUnavailable):
            await self._copy.drop()
        return False

    async def _read_for_all(self, readers: Sequence[None]) -> list[Reading | Exception]:
        doubt = await self._doubt()
        if not doubt and self._latest is not None:
            return [Reading(self._latest)] * len(readers)
        self._metrics.board_reads_from_ledger.labels(doubt).inc()
        return [await self._read_truth()] * len(readers)

    async def _doubt(self) -> str:
        """Look at the copy, and keep it if it is newer than ours. Why neither should be shown
        before the ledger was asked; "" when the newest that we know may.
        """
        try:
            found = self._checked(await self._copy.read())
        except RedisUnavailable:
            return "away"
        if found.board is None:
            return "missing" if found.fault is None else "refused"
        self._note_stored(found.board)
        self._keep(found.board)
        if not self._trust.holds(self._copy.generation):
            return "unconfirmed"
        latest, version = self._latest or found.board, found.board.version
        may_be_shown = version >= latest.version or self._trust.is_on_its_way(
            latest.version, version
        )
        return "" if may_be_shown else "older"

    def _checked(self, found: Found) -> Found:
        """Refuse, count and now and then log what is no board of ours."""
        board, latest = found.board, self._latest
        if board is not None and latest is not None and board.version - latest.version > LEAP_MAX:
            found = Found(fault="leap", claimed=found.claimed)
        if found.fault is not None:
            self._metrics.copies_refused.labels(found.fault).inc()
            if self._seldom.due(found.fault):
                log.warning("scoreboard.board.copy_refused", fault=found.fault)
        return found

    async def _read_truth(self) -> Reading:
        """Ask the ledger. While that is silent or away, the newest board that we know is better
        than none, and than a long wait.
        """
        if self._latest is None:
            return Reading(await self._ask())
        board = await self._questions.within(PATIENCE_SECONDS, self._ask)
        if board is not None:
            return Reading(board)
        self._metrics.board_reads_in_doubt.inc()
        return Reading(self._latest, self._age_seconds(self._latest))

    async def _ask(self) -> Board:
        board = await self._questions.board()
        self._keep(board)
        try:
            await self._copy.store(board)
        except RedisUnavailable:
            self._metrics.cache_stores_failed.inc()
        return board

    def _age_seconds(self, board: Board) -> int:
        """How long ago this was the newest for certain: when the ledger was last asked what it
        answered, or else when the board changed.
        """
        ago = self._questions.confirmed_seconds_ago
        if ago is None:
            ago = (datetime.now(UTC) - board.changed_at).total_seconds()
        return max(1, math.ceil(ago))

    def _note_stored(self, board: Board) -> None:
        self._stored_version = max(self._stored_version, board.version)

    def _keep(self, board: Board) -> None:
        if self._latest is None or board.version > self._latest.version:
            self._latest = board
