"""The relay: it compares in time, hurries when told to, and outlives a ledger that is away."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from scoreboard.errors import LedgerUnavailable
from scoreboard.live.relay import Relay
from scoreboard.operations.metrics import Metrics
from scoreboard.scoring.model import Board
from tests.clock import jumping_clock, now
from tests.samples import a_board, counted

INTERVAL = 1.0


class FakeLedger:
    def __init__(self) -> None:
        self.current = a_board(1)
        self.away = False
        self.asked_at: list[float] = []
        self.boards_read = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def version(self) -> int:
        self.asked_at.append(now())
        await self.answers.wait()
        if self.away:
            raise LedgerUnavailable
        return self.current.version

    async def board(self) -> Board:
        self.boards_read += 1
        if self.away:
            raise LedgerUnavailable
        return self.current


class FakeCopy:
    def __init__(self, version: int = -1) -> None:
        self.versions = [version]

    async def is_behind(self, version: int) -> bool:
        return self.versions[-1] < version

    async def catch_up(self, board: Board) -> None:
        self.versions.append(board.version)


def a_relay(ledger: FakeLedger, metrics: Metrics, **copies: FakeCopy) -> Relay:
    return Relay(ledger, copies, metrics, interval_seconds=INTERVAL)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run())
    try:
        await asyncio.sleep(0)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@jumping_clock
async def test_only_a_copy_that_is_behind_gets_the_board() -> None:
    ledger, metrics = FakeLedger(), Metrics()
    hub, redis = FakeCopy(version=0), FakeCopy(version=1)

    await a_relay(ledger, metrics, hub=hub, redis=redis).reconcile()

    assert hub.versions == [0, 1]
    assert redis.versions == [1]
    assert counted(metrics, "catch_ups_total", copy="hub") == 1
    assert counted(metrics, "catch_ups_total", copy="redis") == 0
    assert counted(metrics, "board_version", where="ledger") == 1


@jumping_clock
async def test_while_nobody_is_behind_only_the_version_is_read() -> None:
    ledger, copy = FakeLedger(), FakeCopy(version=1)

    async with running(a_relay(ledger, Metrics(), hub=copy)):
        await asyncio.sleep(10)

    assert ledger.boards_read == 0
    assert len(ledger.asked_at) >= 10


@jumping_clock
async def test_a_change_that_nobody_announced_is_found_within_the_interval() -> None:
    """An instance was killed between COMMIT and publish."""
    ledger, copy = FakeLedger(), FakeCopy(version=1)

    async with running(a_relay(ledger, Metrics(), hub=copy)):
        for version in range(2, 12):
            ledger.current = a_board(version)
            await asyncio.sleep(INTERVAL)
            assert copy.versions[-1] == version


@jumping_clock
async def test_instances_do_not_ask_in_step() -> None:
    ledger = FakeLedger()

    async with running(a_relay(ledger, Metrics())):
        await asyncio.sleep(30)

    pauses = [later - earlier for earlier, later in itertools.pairwise(ledger.asked_at)]
    assert all(0.8 <= pause <= INTERVAL for pause in pauses)
    assert len(set(pauses)) > 5


@jumping_clock
async def test_hurry_compares_at_once() -> None:
    """The bus was connected anew: what it missed must not wait for the interval."""
    ledger, copy = FakeLedger(), FakeCopy(version=1)
    relay = a_relay(ledger, Metrics(), hub=copy)

    async with running(relay):
        await asyncio.sleep(0.3)
        ledger.current = a_board(2)
        relay.hurry()
        await asyncio.sleep(0.01)
        assert copy.versions == [1, 2]
        assert ledger.asked_at == [0.0, 0.3]


@jumping_clock
async def test_a_hurry_during_a_comparison_is_not_lost() -> None:
    """The version may have been read before what was missed."""
    ledger = FakeLedger()
    relay = a_relay(ledger, Metrics())
    ledger.answers.clear()

    async with running(relay):
        await asyncio.sleep(0.2)
        relay.hurry()
        ledger.answers.set()
        await asyncio.sleep(0.1)

    assert ledger.asked_at == [0.0, 0.2]


@jumping_clock
async def test_a_ledger_that_is_away_is_counted_and_asked_again() -> None:
    ledger, metrics, copy = FakeLedger(), Metrics(), FakeCopy(version=1)
    ledger.away = True

    async with running(a_relay(ledger, metrics, hub=copy)):
        await asyncio.sleep(5)
        assert copy.versions == [1]
        assert counted(metrics, "reconcile_failures_total") == len(ledger.asked_at) >= 5
        ledger.away, ledger.current = False, a_board(2)
        await asyncio.sleep(INTERVAL)

    assert copy.versions == [1, 2]
