"""What scoreboard.client follows live: its states and waits, the versions that it takes, and what a
slow consumer gets, without a network.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreboard.client import (
    AsyncLiveBoard,
    AsyncUserClient,
    Board,
    Granted,
    LiveBoard,
    LogIn,
    Overtaken,
    PersonalStream,
    Place,
    SeasonEnded,
    SeasonStarted,
    State,
)
from scoreboard.client import places as client_places
from scoreboard.client.feed import Feed, Timing
from scoreboard.client.flows import retry_after_seconds
from scoreboard.client.listening import Bytes, EventTooLong
from scoreboard.client.mailbox import Mailbox
from scoreboard.client.shown import is_newer
from scoreboard.client.sources import BoardSource, PersonalSource

AT = "2024-12-09T14:30:45Z"
STREAM = httpx.Response(200, headers={"Content-Type": "text/event-stream; charset=utf-8"})
OK = httpx.Response(200)
TIMING = Timing(retry_seconds=2, retry_max_seconds=60, poll_seconds=3, silence_seconds=37.5)


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Fed:
    """A feed without chance, and the states that it told."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.states: list[State] = []
        self.feed = Feed(TIMING, self.states.append, self.clock, dice=lambda: 0.0)
        self.feed.start()

    def goes_live(self) -> None:
        self.feed.opens()
        assert self.feed.opened(STREAM)
        assert self.feed.heard("connected", None, is_asked=None)


@pytest.fixture
def fed() -> Fed:
    return Fed()


def test_a_stream_that_is_cut_is_polled_for_and_returned_to(fed: Fed) -> None:
    fed.goes_live()
    fed.clock.now += 60
    wait = fed.feed.ended(timed_out=False)
    assert wait is not None
    assert wait.seconds == 2.0
    fed.feed.polled(OK, is_asked=True)
    fed.goes_live()
    statuses = [state.status for state in fed.states]
    assert statuses == ["connecting", "live", "connecting", "polling", "live"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "forbidden"),
        (403, "forbidden"),
        (404, "unknown"),
        (429, "limited"),
        (503, "unavailable"),
        (None, "unreachable"),
    ],
)
def test_what_keeps_it_offline_has_a_name(fed: Fed, status: int | None, reason: str) -> None:
    fed.feed.polled(None if status is None else httpx.Response(status), is_asked=True)
    assert fed.feed.state == State("offline", reason)  # type: ignore[arg-type]


def test_an_answer_about_something_else_is_none(fed: Fed) -> None:
    fed.feed.polled(OK, is_asked=False)
    assert fed.feed.state == State("offline", "unavailable")


def test_waits_double_up_to_the_longest_unless_the_service_asks_for_more(fed: Fed) -> None:
    waits = [fed.feed.polled(None, is_asked=True).seconds for _ in range(8)]
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    asked = httpx.Response(429, headers={"Retry-After": "90"})
    assert fed.feed.polled(asked, is_asked=True).at_least_seconds == 90
    fed.feed.retry(90_000)
    fed.feed.opens()
    wait = fed.feed.ended(timed_out=False)
    assert wait is not None
    assert wait.seconds == 90


def test_a_stream_that_only_opens_to_end_again_is_a_failure(fed: Fed) -> None:
    waits = []
    for _ in range(3):
        fed.goes_live()
        wait = fed.feed.ended(timed_out=False)
        waits.append(wait and wait.seconds)
    assert waits == [2, 4, 8]


def test_after_the_end_of_a_token_the_next_stream_is_opened_at_once_and_not_again_and_again(
    fed: Fed,
) -> None:
    fed.goes_live()
    assert not fed.feed.heard("closing", "expired_token", is_asked=None)
    assert fed.feed.ended(timed_out=False) is None
    assert fed.feed.token_ended
    fed.goes_live()
    fed.feed.heard("closing", "revoked_token", is_asked=None)
    assert fed.feed.ended(timed_out=False) is not None


def test_the_silence_that_is_allowed_follows_the_heartbeats(fed: Fed) -> None:
    fed.goes_live()
    for _ in range(3):
        fed.clock.now += 4
        fed.feed.came(heartbeat=True)
    assert fed.feed.silence_seconds == 10
    fed.feed.ended(timed_out=True)  # it was too short
    assert fed.feed.silence_seconds == 20


def test_a_page_of_a_proxy_is_no_stream(fed: Fed) -> None:
    fed.feed.opens()
    assert not fed.feed.opened(httpx.Response(200, headers={"Content-Type": "text/html"}))
    assert not fed.feed.opened(httpx.Response(503, headers=STREAM.headers))


def test_age_counts_from_the_last_word_of_the_service(fed: Fed) -> None:
    assert fed.feed.age_seconds is None
    fed.goes_live()
    fed.clock.now += 7
    assert fed.feed.age_seconds == 7


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("", 0.0), ("-3", 0.0), ("soon", 0.0), ("9" * 400, 0.0), ("٣", 0.0)],
)
def test_retry_after_is_read_in_its_form_of_seconds(header: str, seconds: float) -> None:
    assert retry_after_seconds(header) == seconds


@pytest.mark.parametrize("header", ["Wed, 21 Oct 2099 07:28:00 GMT", "999999999"])
def test_nobody_is_made_to_wait_for_more_than_a_day(header: str) -> None:
    assert retry_after_seconds(header) == 86_400


# Boards


def shown(version: int, number: int | None = None, state: str = "running", **more: Any) -> Any:
    season = None if number is None else {"number": number, "startsAt": AT, "state": state}
    return {
        "boardId": "weekly" if number else "main",
        "topUsers": [{"userId": "u", "username": "ada", "score": version}],
        "timestamp": AT,
        "season": season,
        **more,
    }


class Told:
    """A source of one board, and what it told."""

    def __init__(self, board_id: str = "main") -> None:
        self.told: list[Any] = []
        self.source = BoardSource(board_id, self.told.append)

    def hears(self, version: int, number: int | None = None, state: str = "running") -> Any:
        return self.source.hear("score:update", shown(version, number, state), str(version))

    @property
    def names(self) -> list[str]:
        return [type(each).__name__ for each in self.told]


@given(st.lists(st.integers(0, 50), max_size=30))
def test_versions_only_go_forward(versions: list[int]) -> None:
    told = Told()
    for version in versions:
        assert told.hears(version) is True
    shown_versions = [board.version for board in told.told]
    assert shown_versions == sorted(set(shown_versions))
    assert shown_versions[-1:] == ([max(versions)] if versions else [])


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_of_two_versions_one_is_newer_unless_they_are_the_same(one: int, other: int) -> None:
    assert (is_newer(one, other) or is_newer(other, one)) == (one != other)
    assert is_newer(one, other) == (one > other or other - one > 2**32)


def test_a_board_that_was_numbered_anew_is_taken() -> None:
    told = Told()
    told.hears(2**33)
    told.hears(7)
    assert [board.version for board in told.told] == [2**33, 7]


def test_another_board_is_not_shown_and_what_is_none_is_refused() -> None:
    told = Told("daily")
    assert told.hears(3, 1) is False
    broken: list[Any] = [{}, {"topUsers": 3}, [], None, shown(1, timestamp="yesterday")]
    for data in broken:
        with pytest.raises(ValueError, match=r".+"):
            told.source.hear("score:update", data, "4")
    for event_id in ("", "-1", "x", "٣"):
        with pytest.raises(ValueError, match="version"):
            told.source.hear("score:update", shown(1), event_id)
    assert told.told == []


def test_a_season_that_ends_is_told_once_by_whatever_way() -> None:
    told = Told("weekly")
    told.hears(5, 48)
    ended = shown(0, 48, "ended") | {"closesAt": AT}
    told.source.hear("season:ended", ended, "")
    told.hears(6, 49)
    assert told.names == ["Board", "SeasonEnded", "SeasonStarted", "Board"]
    assert told.source.owed() is None
    told.source.hear("season:ended", ended, "")
    assert told.names.count("SeasonEnded") == 1


def answered(number: int, state: str) -> httpx.Response:
    found = shown(0, number, state)
    return httpx.Response(200, json=found | {"data": found["topUsers"]})


@pytest.mark.parametrize(
    ("answer", "entries"),
    [(answered(48, "final"), 1), (answered(48, "running"), None), (OK, None), (None, None)],
)
def test_a_season_that_ended_while_one_was_away_is_asked_for(
    answer: httpx.Response | None, entries: int | None
) -> None:
    told = Told("weekly")
    told.hears(5, 48)
    told.hears(9, 50)
    owed = told.source.owed()
    assert owed is not None
    assert next(owed).path == "/api/boards/weekly/leaderboard?season=48"
    with pytest.raises(StopIteration):
        owed.send(answer)
    assert told.names == ["Board", "SeasonStarted", "Board", "SeasonEnded"]
    found = told.told[-1].entries
    assert (found and len(found)) == entries
    assert told.source.owed() is None


def test_a_poll_asks_for_what_is_newer() -> None:
    told = Told()
    told.hears(41)
    poll = told.source.poll()
    question = next(poll)
    assert (question.path, question.headers) == ("/api/leaderboard", {"If-None-Match": '"41"'})
    with pytest.raises(StopIteration) as end:
        poll.send(httpx.Response(304))
    assert end.value.value is True


def test_where_a_stream_told_a_place_an_older_answer_changes_nothing() -> None:
    told: list[Any] = []
    source = PersonalSource(["main"], told.append)
    poll = source.poll()
    next(poll)
    source.hear("me:place", {"boardId": "main", "season": None, "score": 7, "rank": 2}, "")
    late: Any = {"boardId": "main", "season": None, "data": {"place": None, "entries": []}}
    with pytest.raises(StopIteration):
        poll.send(httpx.Response(200, json=late))
    assert [place.score for place in told] == [7]
    assert source.stream == "/api/me/stream?boards=main"


# What somebody gets who is slow


def a_board(version: int) -> Board:
    told = Told()
    told.hears(version)
    board: Board = told.told[0]
    return board


async def test_who_is_slow_gets_the_newest_of_each_kind_and_no_queue() -> None:
    mailbox = Mailbox[Any]((Board, SeasonEnded, SeasonStarted, State))
    for version in range(1000):
        mailbox.put(a_board(version) if version % 500 == 499 else State("live"))
    mailbox.put(State("polling"))
    assert (await anext(mailbox)).version == 999
    assert await anext(mailbox) == State("polling")
    waiting = asyncio.ensure_future(anext(mailbox))
    await asyncio.sleep(0)
    assert not waiting.done()
    mailbox.close()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_what_was_not_taken_adds_up_where_each_is_told_once() -> None:
    grant = {"actionId": "a", "points": 5, "grantedAt": AT}
    mailbox = Mailbox[Any]((Place, Overtaken, Granted, State))
    for score in (5, 10, 15):
        told = {"grants": [grant], "count": 1, "points": 5, "score": score}
        mailbox.put(client_places.granted(told))
    for name in ("bob", "eve"):
        by = [{"userId": name, "username": name}]
        told = {"boardId": "main", "season": None, "by": by, "count": 2, "rank": 9}
        mailbox.put(client_places.overtaken(told))
    granted, overtaken = await anext(mailbox), await anext(mailbox)
    assert (granted.count, granted.points, granted.score) == (3, 15, 15)
    assert (overtaken.count, [each.username for each in overtaken.by]) == (4, ["eve", "bob"])


def test_who_is_overtaken_on_a_board_that_was_not_asked_for_is_not_told() -> None:
    told: list[Any] = []
    source = PersonalSource(["main"], told.append)
    by = [{"userId": "bob", "username": "bob"}]
    for board in ("main", *(f"made-up-{number}" for number in range(3))):
        event = {"boardId": board, "season": None, "by": by, "count": 1, "rank": 9}
        source.hear("me:overtaken", event, "")
    assert [each.board_id for each in told] == ["main"]


async def test_a_defect_reaches_who_iterates() -> None:
    mailbox = Mailbox[State]((State,))
    mailbox.close(RuntimeError("a defect"))
    with pytest.raises(RuntimeError, match="a defect"):
        await anext(mailbox)


# The end


def test_what_cannot_be_followed_leaves_no_thread() -> None:
    def make_http() -> httpx.AsyncClient:
        raise RuntimeError("no such proxy")

    for live in (
        LiveBoard("http://scores.example", make_http=make_http),
        PersonalStream("http://scores.example", get_token=lambda _: None, make_http=make_http),
    ):
        with pytest.raises(RuntimeError, match="no such proxy"):
            live.__enter__()
        assert "scoreboard-live" not in {thread.name for thread in threading.enumerate()}


async def test_who_is_cancelled_while_closing_leaves_nothing_open() -> None:
    board = AsyncLiveBoard("http://127.0.0.1:9")
    await board.__aenter__()
    ada = AsyncUserClient("http://127.0.0.1:9", log_in=LogIn("u1", "ada", "first"))
    asking = asyncio.create_task(ada.token())
    await asyncio.sleep(0)
    for client in (board, ada):
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert client._is_own
        assert client._http.is_closed
    assert board.state.status == "idle"
    asking.cancel()
    await asyncio.wait([asking])


# Bytes


class Pieces(httpx.AsyncByteStream):
    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


async def read(*pieces: bytes) -> list[bool]:
    heartbeats: list[bool] = []
    async for _ in Bytes(Pieces(*pieces), heartbeats.append):
        pass
    return heartbeats


async def test_heartbeats_are_known_from_events() -> None:
    assert await read(b"event: a\n", b"data: 1\n\n", b": heartbeat\n", b": heartbeat\n") == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("piece", [b"data: x\n" * 10_000, b":" + b"x" * 65_536, b": a\ndata: b\n"])
async def test_an_event_without_an_end_is_given_up(piece: bytes) -> None:
    with pytest.raises(EventTooLong):
        await read(*[piece] * (2_000_000 // len(piece)))
