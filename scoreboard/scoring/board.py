"""The board's copy in Redis: what everybody reads, and what anybody may rebuild from the ledger.

Key `leaderboard`, a hash: `version`, and `board` as JSON. A newer version wins inside Redis, so it
does not matter in which order instances write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scoreboard.connections.coalescing import Coalescer
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.errors import LedgerUnavailable
from scoreboard.operations.metrics import Metrics
from scoreboard.scoring.ledger import Ledger
from scoreboard.scoring.model import Board

KEY: Final = "leaderboard"

# Versions are compared as numbers of up to 15 digits, which a Lua number holds exactly.
_STORE: Final = """
local present = tonumber(redis.call('HGET', KEYS[1], 'version') or '-1') or -1
if present >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'board', ARGV[2])
return 1
"""
_WAITING_MAX: Final = 20_000


class CachedBoard:
    """Reads and stores the copy; falls back to the ledger whenever the copy cannot be trusted.

    It is trusted from the moment it was compared with the ledger (`is_behind`, once a second) until
    a connection to Redis is made anew or a call fails: Redis may then have come back with an older
    board.
    """

    def __init__(self, redis: Redis, ledger: Ledger, metrics: Metrics) -> None:
        self._redis = redis
        self._ledger = ledger
        self._metrics = metrics
        self._run_store = redis.script(_STORE)
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
        if board is None or self._redis.generation != self._trusted_generation:
            return None
        return board if version == b"%d" % board.version else None

    async def version(self) -> int:
        """The version in Redis, -1 when it has none. Raises RedisUnavailable."""
        [version] = await self._redis.fields(KEY, ["version"])
        return int(version) if version and version.isdigit() else -1

    def notice(self, board: Board) -> None:
        """Know of a board that this instance heard of, whoever told it: an older one from Redis is
        not served any more.
        """
        self._keep(board)

    async def is_behind(self, version: int) -> bool:
        """Compare with the ledger's version, and trust the copy from here on if it is as new."""
        generation = self._redis.generation
        try:
            present = await self.version()
        except RedisUnavailable:
            return False  # there is nothing to mend while Redis is away
        self._metrics.board_version.labels("redis").set(present)
        if present < version:
            self._trusted_generation = -1
            return True
        if generation == self._redis.generation:  # else a connection was made meanwhile: next time
            self._trusted_generation = generation
        return False

    async def catch_up(self, board: Board) -> None:
        """Take a board that the ledger gave, after `is_behind` said so."""
        await self.store(board)

    async def close(self) -> None:
        """Finish what is under way; reads first, for they store what the ledger gave."""
        await self._reads.close()
        await self._stores.close()

    async def _store_newest(self, boards: Sequence[Board]) -> Sequence[bool]:
        newest = max(boards, key=lambda board: board.version)
        self._keep(newest)
        try:
            await self._run_store([KEY], [newest.version, newest.to_json()])
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
            version, text = await self._redis.fields(KEY, ["version", "board"])
        except RedisUnavailable:
            return None, "away"
        if version is None or text is None:
            return None, "missing"
        try:
            board = self._decoded(int(version), text)
        except ValueError:
            return None, "malformed"
        if self._latest is not None and board.version < self._latest.version:
            return None, "older"
        if self._redis.generation != self._trusted_generation:
            return board, "unconfirmed"
        self._keep(board)
        return board, ""

    def _decoded(self, version: int, text: bytes) -> Board:
        if self._latest is not None and version == self._latest.version:
            return self._latest  # decoded before
        return Board.from_json(text)

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
