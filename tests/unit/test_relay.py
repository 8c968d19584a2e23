"""The relay: it compares in time, hurries when told to, outlives a ledger that is away, and gets
past a board that the ledger does not know.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from scoreboard.errors import LedgerUnavailable
from scoreboard.ledger.ledger import State, Versions
from scoreboard.live.relay import Relay
from scoreboard.model import LEAP_MAX, MAIN, ON_ITS_WAY_SECONDS, VERSION_END, Board, BoardId
from scoreboard.operations.metrics import Metrics
from tests.clock import jumping_clock, now
from tests.samples import a_board, counted

INTERVAL = 1.0


class FakeLedger:
    def __init__(self) -> None:
        self.current = a_board(1)
        self.others: list[Board] = []
        self.away = False
        self.due_in_seconds: float | None = None
        self.asked_at: list[float] = []
        self.read_whole: list[set[BoardId]] = []
        self.lifted_above: list[int] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def versions(self) -> Versions:
        self.asked_at.append(now())
        await self.answers.wait()
        if self.away:
            raise LedgerUnavailable
        boards = [self.current, *self.others]
        states = {b.board_id: State(b.version, b.changed_at, b.changed_at, None) for b in boards}
        return Versions(states, self.due_in_seconds)

    async def boards(self, board_ids: Collection[BoardId]) -> Sequence[Board]:
        self.read_whole.append(set(board_ids))
        return [board for board in [self.current, *self.others] if board.board_id in board_ids]

    async def lift(self, above: int, board_id: BoardId) -> Board:
        self.lifted_above.append(above)
        boards = {board.board_id: board for board in [self.current, *self.others]}
        if boards[board_id].version <= above:
            boards[board_id] = replace(boards[board_id], version=above + 1)
        self.current, *self.others = boards.values()
        return boards[board_id]


class FakeCopy:
    def __init__(self, board: Board | None = None, *, expects: bool = False) -> None:
        self.boards = [board]
        self.expects = expects  # boards by another way than the relay's

    @property
    def versions(self) -> list[int]:
        return [-1 if board is None else board.version for board in self.boards]

    def followed(self) -> Collection[BoardId]:
        return {MAIN}

    async def held(self) -> Sequence[Board]:
        return [board for board in self.boards[-1:] if board is not None]

    async def note(self, versions: Versions) -> None:
        pass

    def lacks(self, board_id: BoardId) -> bool:
        return board_id in self.followed() and self.boards[-1] is None

    def lags(self, board: Board) -> bool:
        return self.expects and board.version > self.versions[-1]

    async def take(self, board: Board) -> bool:
        if board.version <= self.versions[-1]:
            return False
        self.boards.append(board)
        return True

    async def begin_anew(self, board: Board) -> None:
        self.boards.append(board)


def a_relay(
    ledger: FakeLedger,
    metrics: Metrics,
    on_due: Callable[[], None] | None = None,
    **copies: FakeCopy,
) -> Relay:
    return Relay(ledger, copies, metrics, interval_seconds=INTERVAL, on_due=on_due)


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
    hub, redis = FakeCopy(a_board(0)), FakeCopy(a_board(1))

    await a_relay(ledger, metrics, hub=hub, redis=redis).reconcile()

    assert hub.versions == [0, 1]
    assert redis.versions == [1]
    assert counted(metrics, "catch_ups_total", copy="hub") == 1
    assert counted(metrics, "catch_ups_total", copy="redis") == 0
    assert counted(metrics, "board_version", where="ledger", board="main") == 1


@jumping_clock
async def test_while_all_are_level_nobody_is_given_anything() -> None:
    ledger, metrics, copy = FakeLedger(), Metrics(), FakeCopy(a_board(1))

    async with running(a_relay(ledger, metrics, hub=copy)):
        await asyncio.sleep(10)

    assert copy.versions == [1]
    assert len(ledger.asked_at) >= 10
    assert counted(metrics, "catch_ups_total", copy="hub") == 0


@jumping_clock
async def test_a_change_that_nobody_announced_is_found_within_the_interval() -> None:
    """An instance was killed between COMMIT and publish."""
    ledger, copy = FakeLedger(), FakeCopy(a_board(1))

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
async def test_it_compares_at_once_when_it_is_told_to() -> None:
    """The bus was connected anew: what it missed must not wait for the interval."""
    ledger, copy = FakeLedger(), FakeCopy(a_board(1))
    relay = a_relay(ledger, Metrics(), hub=copy)

    async with running(relay):
        await asyncio.sleep(0.3)
        ledger.current = a_board(2)
        relay.compare_now()
        await asyncio.sleep(0.01)
        assert copy.versions == [1, 2]
        assert ledger.asked_at == [0.0, 0.3]


@jumping_clock
async def test_a_word_during_a_comparison_is_not_lost() -> None:
    """The version may have been read before what was missed."""
    ledger = FakeLedger()
    relay = a_relay(ledger, Metrics())
    ledger.answers.clear()

    async with running(relay):
        await asyncio.sleep(0.2)
        relay.compare_now()
        ledger.answers.set()
        await asyncio.sleep(0.1)

    assert ledger.asked_at == [0.0, 0.2]


@jumping_clock
async def test_a_ledger_that_is_away_is_counted_and_asked_again() -> None:
    ledger, metrics, copy = FakeLedger(), Metrics(), FakeCopy(a_board(1))
    ledger.away = True

    async with running(a_relay(ledger, metrics, hub=copy)):
        await asyncio.sleep(5)
        assert copy.versions == [1]
        assert counted(metrics, "reconcile_failures_total") == len(ledger.asked_at) >= 5
        ledger.away, ledger.current = False, a_board(2)
        await asyncio.sleep(INTERVAL)

    assert copy.versions == [1, 2]


@jumping_clock
async def test_a_board_that_comes_by_itself_in_a_moment_is_no_mend() -> None:
    """A comparison fell between a commit and its announcement."""
    ledger, metrics = FakeLedger(), Metrics()
    told, untold = (FakeCopy(a_board(1), expects=True) for _ in range(2))
    ledger.current = a_board(2)

    comparing = asyncio.create_task(a_relay(ledger, metrics, hub=told, redis=untold).reconcile())
    await asyncio.sleep(ON_ITS_WAY_SECONDS / 2)
    assert untold.versions == [1]
    told.boards.append(a_board(2))
    await comparing

    assert told.versions == untold.versions == [1, 2]
    assert counted(metrics, "catch_ups_total", copy="hub") == 0
    assert counted(metrics, "catch_ups_total", copy="redis") == 1


# --- several boards


WEEKLY, DAILY, QUIET = (BoardId(name) for name in ("weekly", "daily", "quiet"))


def of(board_id: BoardId, version: int) -> Board:
    return replace(a_board(version), board_id=board_id)


class Several(FakeCopy):
    """It follows three boards, and has these versions."""

    def __init__(self, *versions: Board) -> None:
        super().__init__()
        self.has = list(versions)
        self.given: list[Board] = []

    def followed(self) -> Collection[BoardId]:
        return {MAIN, WEEKLY, DAILY}

    async def held(self) -> Sequence[Board]:
        return self.has

    def lacks(self, board_id: BoardId) -> bool:
        return all(board.board_id != board_id for board in self.has)

    async def take(self, board: Board) -> bool:
        self.given.append(board)
        return board not in self.has


@jumping_clock
async def test_all_boards_are_compared_in_one_question_and_read_in_another_where_they_differ() -> (
    None
):
    ledger, metrics = FakeLedger(), Metrics()
    ledger.others = [of(WEEKLY, 5), of(DAILY, 5), of(QUIET, 7)]
    copy = Several(a_board(1), of(WEEKLY, 3))  # level, behind, none; and one that nobody follows

    await a_relay(ledger, metrics, hub=copy).reconcile()

    assert sorted(copy.given, key=lambda board: board.board_id) == [
        of(DAILY, 5),
        a_board(1),
        of(WEEKLY, 5),
    ]
    assert (len(ledger.asked_at), ledger.lifted_above) == (1, [])
    assert ledger.read_whole == [{WEEKLY, DAILY}]
    assert counted(metrics, "catch_ups_total", copy="hub") == 2
    assert counted(metrics, "board_version", where="ledger", board="weekly") == 5


@jumping_clock
async def test_while_all_are_level_no_board_is_read() -> None:
    ledger, copy = FakeLedger(), Several(a_board(1), of(WEEKLY, 5), of(DAILY, 5))
    ledger.others = [of(WEEKLY, 5), of(DAILY, 5)]

    async with running(a_relay(ledger, Metrics(), hub=copy)):
        await asyncio.sleep(10)

    assert len(ledger.asked_at) >= 10
    assert ledger.read_whole == []
    assert len(copy.given) == 3 * len(ledger.asked_at)  # each comparison confirms them


@pytest.mark.parametrize(
    "other",
    [
        replace(of(WEEKLY, 5), changed_at=a_board(6).changed_at),
        replace(of(WEEKLY, 5), entries=a_board(77).entries),
    ],
)
@jumping_clock
async def test_another_board_under_its_version_is_found_on_any_board(other: Board) -> None:
    """One copy alone is known by when it changed, two by what they show."""
    ledger = FakeLedger()
    ledger.others = [of(WEEKLY, 5)]
    hub, redis = Several(a_board(1), other), Several(a_board(1), of(WEEKLY, 5))

    await a_relay(ledger, Metrics(), hub=hub, redis=redis).reconcile()

    assert ledger.read_whole == [{WEEKLY}]
    assert ledger.others == [replace(of(WEEKLY, 5), version=6)]
    assert ledger.others[0] in hub.given
    assert ledger.others[0] in redis.given


@jumping_clock
async def test_what_operators_said_may_be_unreadable_and_boards_are_compared_all_the_same() -> None:
    ledger, metrics = FakeLedger(), Metrics()

    class Unreadable(FakeCopy):
        async def note(self, versions: Versions) -> None:
            raise LedgerUnavailable

    copy = Unreadable(a_board(0))
    await a_relay(ledger, metrics, hub=copy).reconcile()

    assert copy.versions == [0, 1]
    assert counted(metrics, "reconcile_failures_total") == 1


@jumping_clock
async def test_a_season_that_is_due_is_told_and_the_relay_comes_in_time_for_the_next() -> None:
    ledger, due = FakeLedger(), list[float]()
    relay = a_relay(ledger, Metrics(), on_due=lambda: due.append(now()))

    async with running(relay):
        ledger.due_in_seconds = 0.25
        relay.compare_now()
        await asyncio.sleep(0.2)
        ledger.due_in_seconds = -0.01
        await asyncio.sleep(0.5)
        assert due == [0.25, 0.5]  # not turned yet, and not asked without end
        ledger.due_in_seconds = 60.0
        await asyncio.sleep(0.15)
        assert ledger.asked_at == [0.0, 0.0, 0.25, 0.5, 0.75]  # how it was turned is seen soon
        await asyncio.sleep(0.4)

    assert due == [0.25, 0.5]
    assert len(ledger.asked_at) == 5


@jumping_clock
async def test_seasons_that_are_due_one_after_the_other_make_few_looks() -> None:
    ledger = FakeLedger()
    ledger.due_in_seconds = 1e-6

    async with running(a_relay(ledger, Metrics(), on_due=lambda: None)):
        await asyncio.sleep(10)

    assert 100 <= len(ledger.asked_at) <= 201


@jumping_clock
async def test_who_may_not_turn_seasons_comes_no_earlier_for_them() -> None:
    ledger = FakeLedger()
    ledger.due_in_seconds = 0.01

    async with running(a_relay(ledger, Metrics())):
        await asyncio.sleep(10)

    assert len(ledger.asked_at) <= 14


@jumping_clock
async def test_a_version_of_one_board_says_nothing_of_another() -> None:
    """Else the ledger of `main` would be lifted above the versions of busier boards."""
    ledger, metrics = FakeLedger(), Metrics()
    busy = of(WEEKLY, 900)
    ledger.others = [busy]

    await a_relay(ledger, metrics, hub=Several(busy)).reconcile()

    assert ledger.lifted_above == []
    assert diverged(metrics, "lifted") == 0


# --- a board that the ledger does not know


def diverged(metrics: Metrics, mended: str) -> float:
    return counted(metrics, "divergences_total", mended=mended)


@jumping_clock
async def test_a_ledger_behind_what_was_shown_is_lifted_above_it() -> None:
    """It was restored from a backup: else all that it commits would count as old."""
    ledger, metrics = FakeLedger(), Metrics()
    hub, redis, fresh = FakeCopy(a_board(9)), FakeCopy(a_board(7)), FakeCopy()

    await a_relay(ledger, metrics, hub=hub, redis=redis, fresh=fresh).reconcile()

    assert ledger.lifted_above == [1, 9]
    assert ledger.current.entries == a_board(1).entries
    assert hub.boards[-1] == redis.boards[-1] == fresh.boards[-1] == ledger.current
    assert (hub.versions, redis.versions) == ([9, 10], [7, 10])
    assert (diverged(metrics, "lifted"), diverged(metrics, "renumbered")) == (1, 0)
    assert counted(metrics, "board_version", where="ledger", board="main") == 10


@jumping_clock
async def test_another_board_under_the_same_version_is_overtaken_too() -> None:
    """A promotion lost commits, and new ones have used their versions again."""
    ledger, other = FakeLedger(), replace(a_board(1, 77), changed_at=a_board(2).changed_at)
    hub = FakeCopy(other)

    await a_relay(ledger, Metrics(), hub=hub).reconcile()

    assert hub.boards[-1] == replace(a_board(1), version=2)


@jumping_clock
async def test_a_commit_during_the_comparison_is_no_divergence() -> None:
    """Were the ledger read first, a sound copy would seem to be ahead of it."""
    ledger, metrics, hub = FakeLedger(), Metrics(), FakeCopy(a_board(1))

    class Committing(FakeCopy):
        async def held(self) -> Sequence[Board]:
            ledger.current = a_board(ledger.current.version + 1)
            hub.boards.append(ledger.current)
            return [ledger.current]

    for _ in range(3):
        await a_relay(ledger, metrics, hub=hub, redis=Committing()).reconcile()

    assert ledger.lifted_above == []
    assert diverged(metrics, "lifted") == 0


@jumping_clock
async def test_a_commit_that_missed_a_copy_while_that_was_looked_at_is_found_at_once() -> None:
    """Were the ledger asked first, the copy would pass for compared, though it lacks what somebody
    was told.
    """
    ledger, metrics = FakeLedger(), Metrics()

    class Missed(FakeCopy):
        async def held(self) -> Sequence[Board]:
            found = await super().held()
            ledger.current = a_board(2)
            return found

    redis = Missed(a_board(1))
    await a_relay(ledger, metrics, redis=redis).reconcile()

    assert redis.versions == [1, 2]


@jumping_clock
async def test_a_primary_that_was_and_still_answers_is_no_divergence() -> None:
    """It reads as of yesterday. To write leads to the one that is."""
    metrics, hub = Metrics(), FakeCopy(a_board(6))

    class Followed(FakeLedger):
        async def lift(self, above: int, board_id: BoardId) -> Board:
            self.current = a_board(6)
            return await super().lift(above, board_id)

    ledger = Followed()
    await a_relay(ledger, metrics, hub=hub).reconcile()

    assert ledger.current == a_board(6)
    assert hub.versions == [6]
    assert diverged(metrics, "lifted") == 0


@pytest.mark.parametrize(
    ("shown", "ledger_has"),
    [(2 + LEAP_MAX, 1), (VERSION_END - 1, 1), (VERSION_END - 1, VERSION_END - 9)],
)
@jumping_clock
async def test_a_version_that_no_history_leads_to_lifts_nothing_and_all_begin_anew(
    shown: int, ledger_has: int
) -> None:
    """Or whoever forges one would use up all versions that there are."""
    ledger, metrics = FakeLedger(), Metrics()
    ledger.current = replace(a_board(1), version=ledger_has)
    hub, redis = FakeCopy(replace(a_board(1), version=shown)), FakeCopy()

    await a_relay(ledger, metrics, hub=hub, redis=redis).reconcile()

    assert ledger.lifted_above == []
    assert hub.versions == [shown, ledger_has]
    assert redis.versions == [-1, ledger_has]
    assert diverged(metrics, "renumbered") == 1
