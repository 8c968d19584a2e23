"""The board as this instance reads it: from the copy in Redis when that may be trusted, else from
the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from scoreboard.connections.coalescing import Coalescer
from scoreboard.connections.redis import RedisUnavailable
from scoreboard.errors import LedgerUnavailable
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics
from scoreboard.scoring.copy import Found, RedisCopy
from scoreboard.scoring.ledger import Ledger
from scoreboard.scoring.model import LEAP_MAX, Board

log = structlog.get_logger("scoreboard.board")

_WAITING_MAX: Final = 20_000


class CachedBoard:
    """Reads and stores the copy; falls back to the ledger whenever the copy cannot be trusted.

    It is trusted from the moment it was compared with the ledger (`take`, once a second) until a
    connection to Redis is made anew or a call fails: Redis may then have come back with an older
    board. `generation` is that of its connections (`connections.redis`).
    """

    def __init__(self, copy: RedisCopy, ledger: Ledger, metrics: Metrics) -> None:
        self._copy = copy
        self._ledger = ledger
        self._metrics = metrics
        self._seldom = Seldom()
        self._stores: Coalescer[Board, bool] = Coalescer(
            self._store_newest,
            batch_max=_WAITING_MAX,
            waiting_max=_WAITING_MAX,
            on_overload=metrics.overloads.labels("board_stores").inc,
        )
        self._reads: Coalescer[None, Board] = Coalescer(
            self._read_for_all,
            batch_max=_WAITING_MAX,
            waiting_max=_WAITING_MAX,
            on_overload=metrics.overloads.labels("board_reads").inc,
        )
        self._trusted_generation = -1
        self._latest: Board | None = None
        # What `held` found in Redis, and in which generation; None while Redis is away.
        self._looked: tuple[int, Board | None] | None = None

    async def store(self, board: Board) -> bool:
        """Put a board into Redis unless it holds a newer one. A Redis that does not take it raises
        nothing: the answer is then False, that is counted, and readers and the relay notice by the
        version. Raises Overloaded when too many wait, and ShuttingDown after `close`.
        """
        return await self._stores.join(board)

    async def read(self) -> Board:
        """Return a board at least as new as any that was stored before the call.

        Raises LedgerUnavailable when neither Redis nor PostgreSQL has one to give.
        """
        return await self._reads.join(None)

    def vouched(self, version: bytes | None) -> Board | None:
        """The board that Redis holds, if it has just said that its copy bears this version, may be
        trusted, and we hold the same one: then it need not send it. To be asked in the same turn.
        """
        board = self._latest
        if board is None or self._copy.generation != self._trusted_generation:
            return None
        return board if version == b"%d" % board.version else None

    def notice(self, board: Board) -> None:
        """Know of a board that this instance heard of, whoever told it: an older one from Redis is
        not served any more.
        """
        self._keep(board)

    # For the relay

    async def held(self) -> Board | None:
        """The newest board that reads of this instance may have shown. What lies in Redis and is no
        board of ours is taken away: the ledger is asked after that, so nothing newer is lost.
        """
        generation = self._copy.generation
        try:
            found = self._checked(await self._copy.read())
            if found.fault is not None:
                await self._copy.drop()
        except RedisUnavailable:
            self._looked = None  # there is nothing to mend while Redis is away
            return self._latest
        self._metrics.board_version.labels("redis").set(found.board.version if found.board else -1)
        self._looked = generation, found.board
        if found.board is not None:
            self._keep(found.board)
        return self._latest

    async def take(self, board: Board) -> bool:
        """Put the ledger's board, read after `held`, in the place of an older one, and trust the
        copy from here on. Answers whether it had to.
        """
        self._keep(board)
        if self._looked is None:
            return False
        generation, present = self._looked
        changed = False
        if present != board:
            self._trusted_generation = -1
            try:
                changed = await self._copy.store(board)
            except RedisUnavailable:
                self._metrics.cache_stores_failed.inc()
                return False
        if generation == self._copy.generation:  # else a connection was made meanwhile: next time
            self._trusted_generation = generation
        return changed

    async def begin_anew(self, board: Board) -> None:
        """Take the ledger's board though it is older. Redis is filled by the next who reads: the
        ledger may have gone on since.
        """
        self._trusted_generation = -1
        self._latest, self._looked = board, None
        try:
            await self._copy.drop()
        except RedisUnavailable:
            self._metrics.cache_stores_failed.inc()

    async def close(self) -> None:
        """Finish what is under way; reads first, for they store what the ledger gave."""
        await self._reads.close()
        await self._stores.close()

    async def _store_newest(self, boards: Sequence[Board]) -> Sequence[bool]:
        newest = max(boards, key=lambda board: board.version)
        self._keep(newest)
        try:
            await self._copy.store(newest)
        except RedisUnavailable:
            self._metrics.cache_stores_failed.inc()
            return [False] * len(boards)
        return [True] * len(boards)

    async def _read_for_all(self, readers: Sequence[None]) -> list[Board | Exception]:
        copy, doubt = await self._read_copy()
        if copy is None or doubt:
            self._metrics.board_reads_from_ledger.labels(doubt).inc()
            copy = await self._read_truth(copy)
        return [copy] * len(readers)

    async def _read_copy(self) -> tuple[Board | None, str]:
        """The copy, and why it should not be used ("" when it may)."""
        try:
            found = self._checked(await self._copy.read())
        except RedisUnavailable:
            return None, "away"
        if found.board is None:
            return None, "missing" if found.fault is None else "refused"
        if self._latest is not None and found.board.version < self._latest.version:
            return None, "older"
        if self._copy.generation != self._trusted_generation:
            return found.board, "unconfirmed"
        self._keep(found.board)
        return found.board, ""

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

    async def _read_truth(self, copy: Board | None) -> Board:
        """Ask the ledger; while that is away too, the newest board we know is better than none."""
        try:
            board = await self._ledger.board()
        except LedgerUnavailable:
            if (known := copy or self._latest) is None:
                raise
            return known
        await self.store(board)
        return board

    def _keep(self, board: Board) -> None:
        if self._latest is None or board.version > self._latest.version:
            self._latest = board
