"""What one instance has of the board, on a real Redis and PostgreSQL, and what others do there."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from scoreboard import board_json
from scoreboard.configuration.signatures import Signatures
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.redis import Redis
from scoreboard.copies.board import CachedBoard
from scoreboard.copies.boards import COPIES_MAX, Boards
from scoreboard.copies.copy import KEY, PURPOSE, Found, RedisCopy
from scoreboard.copies.delivery import Delivery
from scoreboard.copies.questions import Questions, Silence, Truth
from scoreboard.copies.trust import Generations, Trust
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger, Versions
from scoreboard.live.relay import Relay
from scoreboard.model import MAIN, ON_ITS_WAY_SECONDS, Board, BoardId, Submission
from scoreboard.operations.metrics import Metrics
from tests.proxy import TcpProxy
from tests.samples import counted
from tests.world import add_actions, add_users

TIMEOUT_SECONDS = 2.0
SECRET = "a-secret-for-tests-only-0123456789abcdef"
SIGNATURES = Signatures([SECRET], PURPOSE)


class CountedCopy(RedisCopy):
    """Counts the looks at Redis."""

    reads = 0

    async def read(self) -> Found:
        self.reads += 1
        return await super().read()


class CountedLedger(Ledger):
    """Counts the reads of boards, and the questions how all are."""

    reads = asked = 0

    async def versions(self) -> Versions:
        self.asked += 1
        return await super().versions()

    async def board(self, board_id: BoardId = MAIN) -> Board:
        self.reads += 1
        return await super().board(board_id)

    async def boards(self, board_ids: Collection[BoardId]) -> list[Board]:
        self.reads += 1
        return await super().boards(board_ids)


@dataclass
class Instance:
    """What one instance has of its boards: `board` is `main`."""

    boards: Boards
    truth: Truth
    board: CachedBoard
    copy: CountedCopy
    redis: Redis
    ledger: CountedLedger
    questions: Questions
    metrics: Metrics

    async def read(self) -> Board:
        return (await self.board.read()).board

    def confirmed(self, version: bytes) -> Board | None:
        """The board to show where Redis has just said that its copy bears this version."""
        return self.board.confirmed(version, self.redis.generation)

    def reads_from_ledger(self, reason: str) -> float:
        return counted(self.metrics, "board_reads_from_ledger_total", reason=reason)

    def refused(self, reason: str) -> float:
        return counted(self.metrics, "copies_refused_total", reason=reason)

    async def reconcile(self) -> None:
        """What the relay does once a second."""
        await Relay(
            self.truth, {"redis": self.boards}, self.metrics, interval_seconds=1
        ).reconcile()

    async def trust(self) -> None:
        """Compare until no connection was made meanwhile."""
        reads = -1
        while reads != self.ledger.reads:
            await self.reconcile()
            reads = self.ledger.reads
            await self.read()


@asynccontextmanager
async def an_instance(
    redis_url: str,
    database_url: str,
    *,
    settle_seconds: float = 0.0,
    timeout_seconds: float = TIMEOUT_SECONDS,
    noticed_seconds: float = 0.0,
    on_its_way_seconds: float = ON_ITS_WAY_SECONDS,
    look_seconds: float = 0.1,
    copies_max: int = COPIES_MAX,
    shown: Callable[[BoardId], Board | None] = lambda _: None,
) -> AsyncIterator[Instance]:
    client = Redis(redis_url, timeout_seconds=TIMEOUT_SECONDS, name="test board")
    postgres = Postgres(database_url, sessions=4, timeout_seconds=timeout_seconds, name="test")
    ledger, metrics = CountedLedger(postgres, postgres), Metrics()
    silence, generations = Silence(), Generations(settle_seconds=settle_seconds)
    delivery = Delivery(client, noticed_seconds)
    asked: dict[BoardId, Questions] = {}
    copies: dict[BoardId, CountedCopy] = {}

    def copy_of(board_id: BoardId) -> CachedBoard:
        asked[board_id] = Questions(ledger, board_id, silence=silence, look_seconds=look_seconds)
        copies[board_id] = CountedCopy(client, SIGNATURES, board_id)
        trust = Trust(generations, on_its_way_seconds=on_its_way_seconds)
        return CachedBoard(copies[board_id], asked[board_id], metrics, trust, delivery)

    boards = Boards(
        ledger,
        Definitions(postgres),
        copy_of,
        metrics,
        shown=shown,
        copies_max=copies_max,
    )
    truth = Truth(ledger, silence)
    try:
        yield Instance(
            boards, truth, boards.main, copies[MAIN], client, ledger, asked[MAIN], metrics
        )
    finally:
        await boards.close()
        await client.close()
        postgres.close()


@asynccontextmanager
async def through_proxy(url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A line to a server that can be cut, and the address to use."""
    parts = urlsplit(url)
    async with TcpProxy(parts.hostname or "", parts.port or 0) as proxy:
        user = f"{parts.username}@" if parts.username else ""
        yield proxy, urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}"))


async def plant(admin: Any, board: Board, *secrets: str) -> None:
    """Put a board into Redis whatever is there, as a restart from an old snapshot does."""
    text = board_json.encode(board)
    signature = Signatures(secrets or [SECRET], PURPOSE).of(text)
    await admin.delete(KEY)
    await admin.hset(KEY, mapping={"version": board.version, "board": text, "signature": signature})


async def version_in(admin: Any) -> int:
    return int(await admin.hget(KEY, "version") or -1)


async def play(instance: Instance, database_url: str, grants: int = 3) -> Board:
    """Make the ledger's board so much newer; tell nobody."""
    game = uuid.uuid4().hex[:8]
    users = add_users(database_url, grants, game)
    add_actions(database_url, {game: 10})
    for user in users:
        await instance.ledger.grant([Submission(user, game)])
    return await Ledger.board(instance.ledger)
