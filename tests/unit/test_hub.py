"""The hub with transports of our own: who gets which board when, and what a slow client costs."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from scoreboard.errors import Overloaded
from scoreboard.ledger.ledger import State, Versions
from scoreboard.live import hub as hub_module
from scoreboard.live.frames import HEARTBEAT, Frame, turn_of
from scoreboard.live.hub import Hub
from scoreboard.live.subscriber import Subscriber
from scoreboard.model import (
    LEAP_MAX,
    MAIN,
    Board,
    BoardId,
    Ended,
    Entry,
    Origin,
    Season,
    SeasonState,
)
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import OFF, Tracing
from tests.clock import jumping_clock, now
from tests.eventually import eventually
from tests.recorder import FakeRecorder
from tests.samples import a_board, counted

PUSH_INTERVAL = 0.1
HEARTBEAT_SECONDS = 15.0
STUCK_AFTER = 10.0
STRIDE = 256  # after so many subscribers others get their turn; the hub's own number may be lower


class FakeTransport(asyncio.Transport):
    """Takes bytes at once, or keeps them unsent while `stuck`."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[float, bytes]] = []
        self.unsent = bytearray()
        self.stuck = self.closing = self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closing, "asyncio warns of writes to a closed transport"
        if self.stuck:
            self.unsent += data
        else:
            self.sent.append((now(), bytes(data)))

    def drain(self) -> None:
        """The client reads again."""
        self.stuck = False
        if self.unsent:
            self.sent.append((now(), bytes(self.unsent)))
        self.unsent.clear()

    def get_write_buffer_size(self) -> int:
        return len(self.unsent)

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.aborted = self.closing = True


class Client:
    """A subscriber, seen from its end of the line."""

    def __init__(self, version: int = -1, *, chunked: bool = False) -> None:
        self.transport = FakeTransport()
        self.ended = False
        self.subscriber = Subscriber(
            self.transport, chunked=chunked, version=version, end=self._end
        )

    def _end(self) -> None:
        self.ended = True

    @property
    def timeline(self) -> list[tuple[float, int]]:
        """When which version came."""
        return [
            (when, int(number))
            for when, data in self.transport.sent
            for number in re.findall(rb"^id: (\d+)$", data, re.MULTILINE)
        ]

    @property
    def versions(self) -> list[int]:
        return [version for _, version in self.timeline]

    @property
    def heartbeats(self) -> list[float]:
        return [when for when, data in self.transport.sent if data == HEARTBEAT.plain]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


class Copies:
    """The copies of these boards, which nobody else has."""

    def __init__(self, *board_ids: BoardId) -> None:
        self.told: list[Board] = []
        self._board_ids = board_ids

    def version(self, board_id: BoardId) -> int | None:
        versions = [board.version for board in self.told if board.board_id == board_id]
        return max(versions, default=-1) if board_id in self._board_ids else None

    def hear_of(self, board: Board) -> None:
        self.told.append(board)


def made_hub(
    metrics: Metrics, tracing: Tracing = OFF, copies: Copies | None = None, **options: int
) -> Hub:
    return Hub(
        metrics,
        tracing,
        copies=copies or Copies(),
        push_interval_seconds=PUSH_INTERVAL,
        heartbeat_seconds=HEARTBEAT_SECONDS,
        stuck_after_seconds=STUCK_AFTER,
        **options,
    )


@asynccontextmanager
async def a_hub(metrics: Metrics, *clients: Client, tracing: Tracing = OFF) -> AsyncIterator[Hub]:
    """A running hub with these subscribers of the main board."""
    hub = made_hub(metrics, tracing)
    for client in clients:
        hub.channel(MAIN).join(client.subscriber)
    running = asyncio.create_task(hub.run())
    try:
        await asyncio.sleep(0)
        yield hub
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def timed(metrics: Metrics, via: str) -> list[float]:
    """The mean of the seconds, for each board that was timed and came this way."""
    count = round(counted(metrics, "submit_to_event_seconds_count", via=via))
    return [counted(metrics, "submit_to_event_seconds_sum", via=via) / max(count, 1)] * count


# --- how long its way was


async def test_each_board_is_timed_once_when_it_is_pushed_conflated_ones_too(
    metrics: Metrics,
) -> None:
    a_minute_ago = time.monotonic() - 60
    async with a_hub(metrics, Client()) as hub:
        hub.offer(a_board(1), Origin("submit", a_minute_ago))
        hub.offer(a_board(2), Origin("bus", a_minute_ago))
        hub.offer(a_board(3), Origin("submit", a_minute_ago))
        hub.offer(a_board(3), Origin("bus", a_minute_ago))  # our own, back from the broker
        await eventually(lambda: timed(metrics, "submit"))
        pushes = counted(metrics, "push_seconds_count")
        hub.offer(a_board(4))  # by the relay, which does not know
        await eventually(lambda: counted(metrics, "push_seconds_count") > pushes)

    assert timed(metrics, "submit") == [pytest.approx(60, abs=5)] * 2
    assert timed(metrics, "bus") == [pytest.approx(60, abs=5)]
    assert counted(metrics, "boards_outdated_total") == 1


async def test_a_board_that_was_conflated_arrives_in_its_own_trace_too(metrics: Metrics) -> None:
    recorder = FakeRecorder()
    traces = [f"00-{number:032x}-{1:016x}-01" for number in (1, 2)]
    async with a_hub(metrics, Client(), tracing=Tracing(recorder)) as hub:
        for version, trace in enumerate(traces, 1):
            hub.offer(a_board(version), Origin("bus", time.monotonic(), trace))
        hub.offer(a_board(2), Origin("bus", time.monotonic(), traces[1]))  # outdated: no span
        await eventually(lambda: all(span.ended for span in recorder.spans))

    assert [(span.name, span.parent) for span in recorder.spans] == [
        ("scoreboard.push", trace) for trace in traces
    ]
    assert [span.attributes["scoreboard.version"] for span in recorder.spans] == [1, 2]
    assert all(span.attributes["scoreboard.subscribers"] == 1 for span in recorder.spans)


async def test_without_subscribers_there_is_no_event_to_time(metrics: Metrics) -> None:
    async with a_hub(metrics) as hub:
        hub.offer(a_board(1), Origin("submit", time.monotonic()))
        await eventually(lambda: counted(metrics, "push_seconds_count"))

    assert timed(metrics, "submit") == []


# --- when a board goes out


@jumping_clock
async def test_the_first_change_goes_out_at_once(metrics: Metrics) -> None:
    client = Client()
    async with a_hub(metrics, client) as hub:
        await asyncio.sleep(7)
        hub.offer(a_board(1))
        await asyncio.sleep(3)

    assert client.timeline == [(7.0, 1)]


@jumping_clock
async def test_a_burst_is_conflated_and_its_last_board_is_never_lost(metrics: Metrics) -> None:
    """100 boards in a second: one push per interval, each with the newest of its moment."""
    client = Client()
    async with a_hub(metrics, client) as hub:
        for version in range(1, 101):
            hub.offer(a_board(version))
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)

    times = [when for when, _ in client.timeline]
    assert client.timeline[0] == (0.0, 1)
    assert client.versions[-1] == 100
    assert all(later - earlier >= 0.099 for earlier, later in itertools.pairwise(times))
    assert 10 <= len(times) <= 12
    assert counted(metrics, "boards_conflated_total") == 100 - len(times)
    assert counted(metrics, "pushes_total") == counted(metrics, "deliveries_total") == len(times)


@jumping_clock
async def test_a_board_that_comes_within_the_interval_waits_for_its_end(metrics: Metrics) -> None:
    client = Client()
    async with a_hub(metrics, client) as hub:
        hub.offer(a_board(1))
        await asyncio.sleep(0.03)
        hub.offer(a_board(2))
        await asyncio.sleep(1)

    assert client.timeline == [(0.0, 1), (0.1, 2)]


# --- which board


@jumping_clock
async def test_no_older_board_replaces_a_newer_one(metrics: Metrics) -> None:
    client = Client()
    async with a_hub(metrics, client) as hub:
        for version in (5, 3, 5, 4, 6, 2):
            hub.offer(a_board(version))
            await asyncio.sleep(1)

    assert client.versions == [5, 6]
    assert hub.version(MAIN) == 6


@jumping_clock
async def test_a_subscriber_that_has_a_newer_board_is_not_sent_an_older_one(
    metrics: Metrics,
) -> None:
    """It came from an instance that is ahead of this one, or opened with the newest board."""
    ahead, behind = Client(version=9), Client(version=4)
    async with a_hub(metrics, ahead, behind) as hub:
        hub.offer(a_board(5))
        await asyncio.sleep(1)
        hub.offer(a_board(10))
        await asyncio.sleep(1)

    assert ahead.versions == [10]
    assert behind.versions == [5, 10]


@jumping_clock
async def test_whoever_joins_gets_the_newest_board_at_once_unless_it_has_it(
    metrics: Metrics,
) -> None:
    async with a_hub(metrics) as hub:
        hub.offer(a_board(3))
        await asyncio.sleep(1)
        new, level = Client(version=2), Client(version=3)
        hub.channel(MAIN).join(new.subscriber)
        hub.channel(MAIN).join(level.subscriber)
        await asyncio.sleep(1)

    assert new.timeline == [(1.0, 3)]
    assert level.timeline == []


@jumping_clock
async def test_before_the_first_board_a_subscriber_hears_nothing(metrics: Metrics) -> None:
    client = Client()
    async with a_hub(metrics, client) as hub:
        await asyncio.sleep(5)
        assert hub.version(MAIN) == -1

    assert client.transport.sent == []


@jumping_clock
async def test_http_1_1_gets_chunks_and_http_1_0_the_plain_bytes(metrics: Metrics) -> None:
    new, old = Client(chunked=True), Client(chunked=False)
    async with a_hub(metrics, new, old) as hub:
        hub.offer(a_board(1))
        await asyncio.sleep(1)

    [(_, chunked)], [(_, plain)] = new.transport.sent, old.transport.sent
    assert chunked == Frame.of(plain).chunked


@jumping_clock
async def test_a_board_is_encoded_once_for_all(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:

    encoded: list[int] = []

    def encode(board: object) -> bytes:
        encoded.append(1)
        return b"data: x\n\n"

    monkeypatch.setattr(hub_module, "score_update", encode)
    clients = [Client() for _ in range(50)]
    async with a_hub(metrics, *clients) as hub:
        hub.offer(a_board(1))
        await asyncio.sleep(1)
        hub.channel(MAIN).join(Client().subscriber)

    assert len(encoded) == 1


# --- the slow


@jumping_clock
async def test_a_subscriber_with_unsent_bytes_is_skipped_and_delays_nobody(
    metrics: Metrics,
) -> None:
    slow, quick = Client(), Client()
    async with a_hub(metrics, slow, quick) as hub:
        slow.transport.stuck = True
        for version in range(1, 31):
            hub.offer(a_board(version))
            await asyncio.sleep(0.1)

    assert quick.versions == list(range(1, 31))
    assert slow.versions == []
    assert counted(metrics, "deliveries_skipped_total") == 29


@jumping_clock
async def test_however_many_boards_a_stuck_subscriber_costs_one(metrics: Metrics) -> None:
    """Without the skip its transport would buffer every board."""
    slow = Client()
    async with a_hub(metrics, slow) as hub:
        slow.transport.stuck = True
        for version in range(1, 91):
            hub.offer(a_board(version))
            await asyncio.sleep(0.1)
            assert slow.transport.unsent.count(b"id: ") <= 1


@jumping_clock
async def test_once_it_drained_it_gets_the_newest_board_only(metrics: Metrics) -> None:
    slow = Client()
    async with a_hub(metrics, slow) as hub:
        slow.transport.stuck = True
        for version in range(1, 11):
            hub.offer(a_board(version))
            await asyncio.sleep(0.2)
        slow.transport.drain()
        await asyncio.sleep(1)
        assert slow.versions == [1, 10]

        hub.offer(a_board(11))
        await asyncio.sleep(1)

    assert slow.versions == [1, 10, 11]
    assert not slow.transport.aborted


@jumping_clock
async def test_whoever_stays_stuck_is_cut_off_and_counted(metrics: Metrics) -> None:
    stuck, quick = Client(), Client()
    async with a_hub(metrics, stuck, quick) as hub:
        stuck.transport.stuck = True
        hub.offer(a_board(1))
        await asyncio.sleep(1)
        hub.offer(a_board(2))  # now it is behind
        await asyncio.sleep(STUCK_AFTER - 0.5)
        assert (stuck.transport.aborted, stuck.ended) == (False, False)

        await asyncio.sleep(1)
        assert (stuck.transport.aborted, stuck.ended) == (True, True)
        assert len(hub) == 1

        hub.offer(a_board(3))
        await asyncio.sleep(1)

    assert quick.versions == [1, 2, 3]
    assert counted(metrics, "subscribers_cut_off_total") == 1
    assert counted(metrics, "subscribers") == 1


@jumping_clock
async def test_a_slow_one_that_drains_now_and_then_is_never_cut_off(metrics: Metrics) -> None:
    slow = Client()
    async with a_hub(metrics, slow) as hub:
        for version in range(1, 20, 2):
            slow.transport.stuck = True
            hub.offer(a_board(version))
            await asyncio.sleep(0.2)
            hub.offer(a_board(version + 1))  # now it is behind
            await asyncio.sleep(STUCK_AFTER * 0.8)
            slow.transport.drain()
            await asyncio.sleep(0.3)

    assert slow.versions == list(range(1, 21))
    assert not slow.transport.aborted


@jumping_clock
async def test_who_takes_each_board_before_the_next_is_never_cut_off(metrics: Metrics) -> None:
    """However often it is looked at while the newest one is still on its way."""
    slow = Client()
    async with a_hub(metrics, slow) as hub:
        slow.transport.stuck = True
        hub.offer(a_board(1))
        await asyncio.sleep(0.15)
        hub.offer(a_board(2))  # now it is behind
        await asyncio.sleep(0.12)  # from here on never at the moment when the hub looks
        for version in range(3, int(STUCK_AFTER * 8)):
            slow.transport.drain()
            slow.transport.stuck = True
            hub.offer(a_board(version))
            await asyncio.sleep(0.25)

    assert not slow.transport.aborted
    assert slow.versions[-1] == int(STUCK_AFTER * 8) - 2  # the last one is on its way


@jumping_clock
async def test_without_any_change_the_heartbeat_finds_the_stuck(metrics: Metrics) -> None:
    stuck = Client()
    async with a_hub(metrics, stuck):
        stuck.transport.stuck = True
        await asyncio.sleep(2 * HEARTBEAT_SECONDS + STUCK_AFTER + 1)

    assert stuck.transport.aborted
    assert bytes(stuck.transport.unsent) == HEARTBEAT.plain  # one, not two


@jumping_clock
async def test_nothing_is_written_to_a_transport_that_is_closing(metrics: Metrics) -> None:
    leaving = Client()
    async with a_hub(metrics, leaving) as hub:
        leaving.transport.closing = True
        hub.offer(a_board(1))
        await asyncio.sleep(HEARTBEAT_SECONDS + 1)
        hub.close("shutting_down", "Bye.")

    assert leaving.transport.sent == []
    assert leaving.ended


# --- heartbeats, coming and going


@jumping_clock
async def test_heartbeats_keep_the_line_open(metrics: Metrics) -> None:
    client = Client()
    async with a_hub(metrics, client):
        await asyncio.sleep(50)

    assert client.heartbeats == [15.0, 30.0, 45.0]


@jumping_clock
async def test_subscribers_may_leave_and_join_during_a_push(metrics: Metrics) -> None:
    """A push of many lets others run; it must not stumble, nor serve who left."""
    clients = [Client() for _ in range(2 * STRIDE + 10)]
    leaving, late = clients[-1], Client()
    async with a_hub(metrics, *clients) as hub:
        hub.offer(a_board(1))
        await eventually(lambda: clients[0].versions, every_seconds=0)
        assert not leaving.versions, "the push was over before anybody could leave"
        hub.channel(MAIN).leave(leaving.subscriber)
        hub.channel(MAIN).join(late.subscriber)
        hub.offer(a_board(2))
        await asyncio.sleep(1)

    assert leaving.versions == []
    assert late.versions in ([2], [1, 2])
    for client in clients[:-1]:
        assert client.versions in ([1, 2], [2])
    assert len(hub) == len(clients)


@jumping_clock
async def test_others_get_their_turn_among_many_boards_as_among_many_subscribers_of_one(
    metrics: Metrics,
) -> None:
    boards = [replace(a_board(1), board_id=BoardId(f"board{number}")) for number in range(4)]
    crowds = [[Client() for _ in range(STRIDE // 2)] for _ in boards]
    async with a_hub(metrics) as hub:
        for board, crowd in zip(boards, crowds, strict=True):
            for client in crowd:
                hub.channel(board.board_id).join(client.subscriber)
            hub.offer(board)
        await eventually(lambda: crowds[0][-1].versions, every_seconds=0)
        assert not crowds[-1][0].versions, "all were written to before anybody had a turn"
        await eventually(lambda: crowds[-1][-1].versions, every_seconds=0)

    assert all(client.versions == [1] for crowd in crowds for client in crowd)


@jumping_clock
async def test_one_that_leaves_while_it_is_behind_is_forgotten(metrics: Metrics) -> None:
    slow = Client()
    async with a_hub(metrics, slow) as hub:
        slow.transport.stuck = True
        hub.offer(a_board(1))
        await asyncio.sleep(0.5)
        hub.offer(a_board(2))
        await asyncio.sleep(0.5)
        hub.channel(MAIN).leave(slow.subscriber)
        hub.channel(MAIN).leave(slow.subscriber)  # twice is once
        slow.transport.drain()
        await asyncio.sleep(2 * STUCK_AFTER)

    assert slow.versions == [1]
    assert not slow.ended
    assert len(hub) == 0


@jumping_clock
async def test_the_end_is_announced_to_every_stream(metrics: Metrics) -> None:
    clients = [Client(), Client()]
    async with a_hub(metrics, *clients) as hub:
        hub.close("shutting_down", "Reconnect.")

    for client in clients:
        [(_, farewell)] = client.transport.sent
        assert farewell.startswith(b'event: closing\ndata: {"code":"shutting_down"')
        assert client.ended


@jumping_clock
async def test_nothing_follows_the_farewell(metrics: Metrics) -> None:
    """A push of thousands is under way for a while, and goes on as the streams end."""
    clients = [Client(version=1) for _ in range(2)]
    async with a_hub(metrics, *clients) as hub:
        hub.offer(a_board(2))
        hub.close("shutting_down", "Reconnect.")
        await asyncio.sleep(1)

    for client in clients:
        assert client.transport.sent[-1][1].startswith(b"event: closing\n")


@jumping_clock
async def test_the_hub_takes_the_ledgers_board_once(metrics: Metrics) -> None:
    async with a_hub(metrics) as hub:
        assert await hub.held() == []
        assert await hub.take(a_board(4))
        assert await hub.held() == [a_board(4)]
        assert not await hub.take(a_board(4))


@jumping_clock
async def test_a_hub_that_has_a_board_may_be_told_of_the_next(metrics: Metrics) -> None:
    """One without any is given the first at once: nobody can be shown anything before."""
    async with a_hub(metrics) as hub:
        assert not hub.lags(a_board(4))
        await hub.take(a_board(4))
        assert [hub.lags(a_board(version)) for version in (3, 4, 5)] == [False, False, True]


# --- several boards


WEEKLY, DAILY = BoardId("weekly"), BoardId("daily")


def of(board_id: BoardId, version: int) -> Board:
    return replace(a_board(version), board_id=board_id)


@jumping_clock
async def test_each_board_goes_to_those_who_listen_to_it(metrics: Metrics) -> None:
    main, weekly = Client(), Client()
    async with a_hub(metrics, main) as hub:
        hub.channel(WEEKLY).join(weekly.subscriber)
        hub.offer(a_board(7))
        hub.offer(of(WEEKLY, 2))
        await asyncio.sleep(1)
        hub.offer(of(WEEKLY, 3))
        await asyncio.sleep(1)
        assert (len(hub), counted(metrics, "subscribers")) == (2, 2)
        await hub.held()  # the relay asks for it once a second
        hub.close("shutting_down", "Bye.")

    assert (main.timeline, weekly.timeline) == ([(0.0, 7)], [(0.0, 2), (1.0, 3)])
    assert (main.ended, weekly.ended) == (True, True)
    assert counted(metrics, "board_version", where="hub", board="main") == 7
    assert counted(metrics, "board_version", where="hub", board="weekly") == 3
    assert counted(metrics, "boards_conflated_total") == 0


@jumping_clock
async def test_versions_are_compared_within_one_board(metrics: Metrics) -> None:
    async with a_hub(metrics) as hub:
        hub.channel(WEEKLY)
        hub.offer(a_board(900))
        hub.offer(of(WEEKLY, 2))
        hub.offer(of(WEEKLY, 1))
        assert [hub.version(each) for each in (MAIN, WEEKLY, DAILY)] == [900, 2, -1]
        assert await hub.held() == [a_board(900), of(WEEKLY, 2)]
        assert [hub.lags(of(each, 3)) for each in (MAIN, WEEKLY, DAILY)] == [False, True, False]

    assert counted(metrics, "boards_outdated_total") == 1


async def test_copies_are_told_of_each_newer_board(metrics: Metrics) -> None:
    copies = Copies(MAIN)
    hub = made_hub(metrics, copies=copies)
    for board in (a_board(1), a_board(1), a_board(2)):
        hub.offer(board)
    await hub.take(a_board(3))
    await hub.begin_anew(a_board(1))

    assert copies.told == [a_board(1), a_board(2), a_board(3), a_board(1)]


async def test_a_board_that_nobody_follows_is_told_to_its_copy_alone(metrics: Metrics) -> None:
    copies = Copies(WEEKLY)
    hub = made_hub(metrics, copies=copies)
    hub.offer(of(WEEKLY, 2))
    hub.offer(of(WEEKLY, 3 + LEAP_MAX))
    assert not await hub.take(of(WEEKLY, 4))

    assert copies.told == [of(WEEKLY, 2)]
    assert [hub.known(each) for each in (WEEKLY, DAILY)] == [2, None]
    assert await hub.held() == []
    assert (list(hub.followed()), hub.lacks(MAIN), hub.lacks(WEEKLY)) == ([MAIN], True, False)
    assert counted(metrics, "boards_refused_total", reason="leap") == 1


@jumping_clock
async def test_one_board_that_begins_anew_ends_no_stream_of_another(metrics: Metrics) -> None:
    main, weekly = Client(), Client()
    async with a_hub(metrics, main) as hub:
        hub.channel(WEEKLY).join(weekly.subscriber)
        hub.offer(a_board(9))
        hub.offer(of(WEEKLY, 9))
        await hub.begin_anew(of(WEEKLY, 1))
        await asyncio.sleep(1)

    assert (main.ended, weekly.ended) == (False, True)


@jumping_clock
async def test_the_slow_of_each_board_are_looked_after(metrics: Metrics) -> None:
    slow = [Client(), Client()]
    async with a_hub(metrics, slow[0]) as hub:
        hub.channel(WEEKLY).join(slow[1].subscriber)
        for client in slow:
            client.transport.stuck = True
        await asyncio.sleep(2 * HEARTBEAT_SECONDS + STUCK_AFTER + 1)

    assert [client.transport.aborted for client in slow] == [True, True]


@jumping_clock
async def test_there_are_so_many_channels_and_no_more(metrics: Metrics) -> None:
    """Whoever listens to one more board is told to come later, or takes the room of nobody."""
    hub = made_hub(metrics, channels_max=2)
    weekly = Client()
    with hub.channel(WEEKLY).opening():
        with pytest.raises(Overloaded):
            hub.channel(DAILY)
        hub.channel(WEEKLY).join(weekly.subscriber)
    with pytest.raises(Overloaded):
        hub.channel(DAILY)
    hub.channel(WEEKLY).leave(weekly.subscriber)

    assert hub.channel(DAILY).version == -1
    assert set(hub.followed()) == {MAIN, DAILY}


@jumping_clock
async def test_a_channel_that_nobody_follows_is_dropped_and_others_stay(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "IDLE_SECONDS", 0.0)
    daily = Client()
    async with a_hub(metrics) as hub:
        hub.channel(WEEKLY)
        hub.channel(DAILY).join(daily.subscriber)
        await asyncio.sleep(HEARTBEAT_SECONDS + 1)
        assert set(hub.followed()) == {MAIN, DAILY}


@jumping_clock
async def test_streams_of_a_board_that_is_gone_end(metrics: Metrics) -> None:
    main, weekly = Client(), Client()
    state = State(1, a_board(1).changed_at, a_board(1).changed_at, None)
    async with a_hub(metrics, main) as hub:
        hub.channel(WEEKLY).join(weekly.subscriber)
        await hub.note(Versions({MAIN: state}, None))

    assert (main.ended, weekly.ended) == (False, True)
    assert b'"code":"unknown_board"' in weekly.transport.sent[-1][1]


@jumping_clock
async def test_the_first_change_of_a_quiet_board_does_not_wait_for_a_busy_one(
    metrics: Metrics,
) -> None:
    main, weekly = Client(), Client()
    async with a_hub(metrics, main) as hub:
        hub.channel(WEEKLY).join(weekly.subscriber)
        hub.offer(a_board(1))
        await asyncio.sleep(0.03)
        hub.offer(of(WEEKLY, 1))
        hub.offer(a_board(2))
        await asyncio.sleep(0.03)
        hub.offer(of(WEEKLY, 2))
        await asyncio.sleep(1)

    assert main.timeline == [(0.0, 1), (0.1, 2)]
    assert weekly.timeline == [(0.03, 1), (0.13, 2)]


# --- seasons


HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def season(number: int, state: SeasonState = "running") -> Season:
    return Season(number, MONDAY + number * HOUR, MONDAY + (number + 1) * HOUR, state)


def shows(
    version: int, number: int, state: SeasonState = "running", before: int | None = None
) -> Board:
    """The weekly board in this season; the one before it ended with one entry."""
    number_before = number - 1 if before is None else before
    ended = Ended(season(number_before, "ended"), a_board(number_before).entries)
    return replace(of(WEEKLY, version), season=season(number, state), before=ended)


def told(client: Client) -> list[list[str]]:
    """What came in each frame: the names of events, with the numbers of their seasons."""
    frames = []
    for _, data in client.transport.sent:
        names = re.findall(rb"^event: (\S+)$", data, re.MULTILINE)
        bodies = [orjson.loads(each) for each in re.findall(rb"^data: (.*)$", data, re.MULTILINE)]
        frames.append(
            [
                f"{name.decode()} {body['season']['number']}"
                for name, body in zip(names, bodies, strict=True)
            ]
        )
    return frames


@jumping_clock
async def test_at_a_boundary_what_ended_and_what_began_come_once_in_one_frame_with_the_board(
    metrics: Metrics,
) -> None:
    client, newcomer = Client(), Client()
    async with a_hub(metrics) as hub:
        channel = hub.channel(WEEKLY)
        channel.join(client.subscriber)
        for board in (shows(1, 1), shows(2, 2), shows(3, 2)):
            hub.offer(board)
            await asyncio.sleep(1)
        channel.join(newcomer.subscriber)
        hub.offer(shows(4, 2))
        await asyncio.sleep(1)

    [_, boundary, _, _] = client.transport.sent
    ended, started, board = re.findall(rb"^data: (.*)$", boundary[1], re.MULTILINE)
    assert re.findall(rb"^id: (\d+)$", boundary[1], re.MULTILINE) == [b"2"]
    assert orjson.loads(ended) == {
        "boardId": "weekly",
        "season": season(1, "ended").as_json(),
        "topUsers": a_board(1).top_users(),
    }
    assert orjson.loads(started) == {"boardId": "weekly", "season": season(2).as_json()}
    assert orjson.loads(board)["season"] == season(2).as_json()
    assert told(client) == [
        ["score:update 1"],
        ["season:ended 1", "season:started 2", "score:update 2"],
        ["score:update 2"],
        ["score:update 2"],
    ]
    assert told(newcomer) == [["score:update 2"], ["score:update 2"]]


@pytest.mark.parametrize(
    ("boards", "events"),
    [
        # dates with a gap: it ends, nothing runs, the next one begins
        ([shows(1, 1), shows(2, 1, "ended")], ["season:ended 1"]),
        ([shows(1, 1, "ended"), shows(2, 1, "final")], []),
        ([shows(1, 1, "ended"), shows(2, 2)], ["season:started 2"]),
        # the first one of a board
        ([replace(shows(1, 1), season=None, before=None), shows(2, 1)], ["season:started 1"]),
        # nobody was here for several seasons
        ([shows(1, 1), shows(2, 9)], ["season:ended 8", "season:started 9"]),
        ([shows(1, 1, "ended"), shows(2, 3)], ["season:ended 2", "season:started 3"]),
        (
            [shows(1, 1), shows(2, 2, "ended")],
            ["season:ended 1", "season:started 2", "season:ended 2"],
        ),
    ],
)
def test_what_became_of_the_seasons_is_told_whatever_came_between(
    boards: list[Board], events: list[str]
) -> None:
    seen, now_shown = boards
    names = re.findall(r"^event: (\S+)$", turn_of(seen, now_shown).decode(), re.MULTILINE)
    numbers = re.findall(r'"season":\{"number":(\d+)', turn_of(seen, now_shown).decode())
    assert [f"{name} {number}" for name, number in zip(names, numbers, strict=True)] == events


@jumping_clock
async def test_who_was_behind_at_a_boundary_hears_of_it_with_the_newest_board(
    metrics: Metrics,
) -> None:
    """And of the last two, if it has slept through more: whatever came before is in the lists."""
    slow, slower = Client(), Client()
    async with a_hub(metrics) as hub:
        channel = hub.channel(WEEKLY)
        for client in (slow, slower):
            channel.join(client.subscriber)
        hub.offer(shows(1, 1))
        await asyncio.sleep(1)
        slow.transport.stuck = slower.transport.stuck = True
        hub.offer(shows(2, 1))
        await asyncio.sleep(1)
        hub.offer(shows(3, 2))
        hub.offer(shows(4, 2))
        await asyncio.sleep(1)
        slow.transport.drain()
        await asyncio.sleep(1)
        for number in (3, 4):
            hub.offer(shows(number + 2, number))
            await asyncio.sleep(1)
        slower.transport.drain()
        await asyncio.sleep(1)

    assert told(slow)[2:] == [
        ["season:ended 1", "season:started 2", "score:update 2"],
        ["season:ended 2", "season:started 3", "score:update 3"],
        ["season:ended 3", "season:started 4", "score:update 4"],
    ]
    assert told(slower)[2:] == [
        [
            *("season:ended 2", "season:started 3"),
            *("season:ended 3", "season:started 4"),
            "score:update 4",
        ]
    ]


@jumping_clock
async def test_who_joins_before_the_board_is_there_is_told_of_no_season_that_ended_before(
    metrics: Metrics,
) -> None:
    client = Client()
    async with a_hub(metrics) as hub:
        hub.channel(WEEKLY).join(client.subscriber)
        hub.offer(shows(1, 1))
        hub.offer(shows(2, 2))
        await asyncio.sleep(1)

    assert told(client) == [["score:update 2"]]


# --- what nobody should send


@jumping_clock
async def test_a_board_that_cannot_be_sent_is_refused_and_the_hub_goes_on(metrics: Metrics) -> None:
    """Taken and not sent, it would end the push again and again until a newer one came."""
    client = Client()
    surrogate = Board(MAIN, 2, a_board(2).changed_at, (Entry("x", "\ud800", 1),))
    too_large = Board(MAIN, 3, a_board(3).changed_at, (Entry("x", "x", 10**30),))
    async with a_hub(metrics, client) as hub:
        hub.offer(a_board(1))
        hub.offer(surrogate)
        assert not await hub.take(too_large)
        await asyncio.sleep(1)
        hub.offer(a_board(4))
        await asyncio.sleep(1)

    assert client.versions == [1, 4]
    assert counted(metrics, "boards_refused_total", reason="unencodable") == 2


@jumping_clock
async def test_a_version_that_no_history_leads_to_is_refused_unless_the_ledger_says_so(
    metrics: Metrics,
) -> None:
    client = Client()
    async with a_hub(metrics, client) as hub:
        hub.offer(a_board(1))
        hub.offer(a_board(2 + LEAP_MAX, 5))
        await asyncio.sleep(1)
        assert client.versions == [1]
        assert await hub.take(a_board(3 + LEAP_MAX, 5))
        await asyncio.sleep(1)

    assert client.versions == [1, 3 + LEAP_MAX]
    assert counted(metrics, "boards_refused_total", reason="leap") == 1


@jumping_clock
async def test_where_the_board_begins_anew_each_stream_ends_and_the_next_one_has_the_lower_board(
    metrics: Metrics,
) -> None:
    before, on_its_way, after = Client(), Client(version=9 + LEAP_MAX), Client()
    async with a_hub(metrics, before) as hub:
        hub.offer(a_board(9 + LEAP_MAX, 5))
        await asyncio.sleep(1)
        await hub.begin_anew(a_board(7))
        hub.channel(MAIN).join(on_its_way.subscriber)
        hub.channel(MAIN).join(after.subscriber)
        hub.offer(a_board(8))
        await asyncio.sleep(1)

    for client in (before, on_its_way):
        assert client.ended
        assert client.transport.sent[-1][1].startswith(
            b'event: closing\ndata: {"code":"renumbered"'
        )
    assert after.versions == [7, 8]
    assert not after.ended


@jumping_clock
async def test_a_hub_that_shows_the_ledgers_board_begins_nothing_anew(metrics: Metrics) -> None:
    client = Client()
    async with a_hub(metrics, client) as hub:
        hub.offer(a_board(7))
        await hub.begin_anew(a_board(7))
        await asyncio.sleep(1)

    assert not client.ended


@jumping_clock
async def test_a_push_that_a_defect_ended_is_done_again_when_the_hub_runs_again(
    metrics: Metrics,
) -> None:
    """`app` runs a crashed task again; those who were not served yet must not wait for a change."""
    broken, later = Client(), Client()
    hub = made_hub(metrics)
    hub.channel(MAIN).join(broken.subscriber)
    hub.channel(MAIN).join(later.subscriber)

    def fail(data: object) -> None:
        broken.transport.write = working  # type: ignore[method-assign]
        raise ZeroDivisionError

    working = broken.transport.write
    broken.transport.write = fail  # type: ignore[method-assign]
    hub.offer(a_board(1))
    with pytest.raises(ExceptionGroup):
        await hub.run()

    again = asyncio.create_task(hub.run())
    await eventually(lambda: later.versions == [1])
    again.cancel()
    with suppress(asyncio.CancelledError):
        await again


async def test_who_joins_after_the_farewell_gets_it_too(metrics: Metrics) -> None:
    client = Client()
    async with a_hub(metrics) as hub:
        hub.close("shutting_down", "Bye.")
        hub.channel(MAIN).join(client.subscriber)
    assert client.ended
    assert b"event: closing" in client.transport.sent[-1][1]
