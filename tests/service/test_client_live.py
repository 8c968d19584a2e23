"""scoreboard.client follows boards of real instances, over lines that break: what it shows is what
the service shows, in the end and as soon as it can.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from scoreboard.client import (
    AsyncLiveBoard,
    AsyncPersonalStream,
    Board,
    Granted,
    LiveBoard,
    PersonalStream,
    Place,
    SeasonEnded,
    SeasonStarted,
    State,
    Timing,
)
from tests.eventually import eventually
from tests.five_boards import SPRINT, add_boards, end_season
from tests.instances import Instance
from tests.lines import Line, a_line
from tests.service.conftest import Start
from tests.world import add_actions, add_users

QUICK = Timing(
    poll_seconds=0.1,
    silence_seconds=1.0,
    open_seconds=3.0,
    request_seconds=3.0,
    retry_seconds=0.1,
    retry_max_seconds=0.3,
)
# What a client is told to wait before it comes back, and how often it hears a heartbeat.
SOON = {"reconnect_min_seconds": 0.1, "reconnect_max_seconds": 0.2, "heartbeat_seconds": 0.3}


@pytest.fixture
async def service(start: Start) -> Instance:
    return await start(**SOON)


@pytest.fixture
async def line(service: Instance) -> AsyncIterator[Line]:
    """A line to it that can be broken."""
    async with a_line(service.url) as line:
        yield line


@pytest.fixture
def players(database_url: str) -> list[str]:
    add_actions(database_url, {f"a{number}": 1 for number in range(40)})
    return add_users(database_url, 3)


async def shows(live: AsyncLiveBoard | LiveBoard, score: int) -> Board:
    """Wait until its first entry has this score."""

    def shown() -> Board | None:
        board = live.board
        return board if board and board.entries and board.entries[0].score == score else None

    board: Board = await eventually(shown, within_seconds=20)
    return board


async def is_(live: Any, status: str, reason: str = "") -> None:
    await eventually(lambda: live.state == State(status, reason), within_seconds=20)  # type: ignore[arg-type]


async def test_a_board_is_followed_change_by_change(service: Instance, players: list[str]) -> None:
    async with AsyncLiveBoard(service.url, timing=QUICK) as live:
        await is_(live, "live")
        boards = aiter(live)
        seen = [await anext(boards)]
        for number in range(3):
            await service.submit(players[0], f"a{number}")
            seen.append(await anext(boards))
        assert live.age_seconds is not None
    assert [len(board.entries) for board in seen] == [0, 1, 1, 1]
    assert [board.entries[0].score for board in seen[1:]] == [1, 2, 3]
    assert live.state == State("idle")
    assert [board async for board in boards] == []  # whoever iterates comes to the end


async def test_a_line_that_is_cut_is_told_and_the_board_is_there_again_after_it(
    service: Instance, line: Line, players: list[str]
) -> None:
    async with AsyncLiveBoard(line.url, timing=QUICK) as live:
        await service.submit(players[0], "a0")
        await shows(live, 1)
        await is_(live, "live")
        await line.proxy.cut()
        await is_(live, "offline", "unreachable")
        await service.submit(players[0], "a1")
        assert live.board is not None
        assert live.board.entries[0].score == 1
        await line.proxy.heal()
        await shows(live, 2)
        await is_(live, "live")


async def test_a_line_that_swallows_everything_is_found_out_by_its_silence(
    service: Instance, line: Line, players: list[str]
) -> None:
    async with AsyncLiveBoard(line.url, timing=QUICK) as live:
        await is_(live, "live")
        line.proxy.black_hole()
        await eventually(lambda: live.state.status != "live", within_seconds=20)
        await service.submit(players[0], "a0")
        await line.proxy.heal()
        await shows(live, 1)
        await is_(live, "live")


async def test_without_a_stream_it_polls_and_returns_to_the_stream(
    start: Start, players: list[str]
) -> None:
    service = await start(**SOON, subscribers_max=1)
    other = await service.open_stream()
    async with AsyncLiveBoard(service.url, timing=QUICK) as live:
        await is_(live, "polling")
        await service.submit(players[0], "a0")
        await shows(live, 1)
        assert live.state.status == "polling"
        other.response.close()
        await is_(live, "live")
        await service.submit(players[0], "a1")
        await shows(live, 2)


async def test_an_instance_that_ends_hands_its_followers_over_to_the_next(
    start: Start, players: list[str]
) -> None:
    first, second = await start(**SOON), await start(**SOON)
    async with a_line(first.url) as line, AsyncLiveBoard(line.url, timing=QUICK) as live:
        await first.submit(players[0], "a0")
        board = await shows(live, 1)
        to = urlsplit(second.url)
        line.proxy.target = (str(to.hostname), int(to.port or 0))
        await first.stop()
        await second.submit(players[0], "a1")
        assert (await shows(live, 2)).version > board.version
        await is_(live, "live")


async def test_a_slow_consumer_gets_the_newest_board_and_no_queue(
    service: Instance, players: list[str]
) -> None:
    async with AsyncLiveBoard(service.url, timing=QUICK) as live:
        await is_(live, "live")
        boards = aiter(live)
        first = await anext(boards)
        for number in range(30):
            await service.submit(players[0], f"a{number}")
        await shows(live, 30)
        newest = await anext(boards)
        assert newest.version > first.version
        assert newest.entries[0].score == 30
        waiting = asyncio.ensure_future(anext(boards))
        await service.submit(players[1], "a0")
        assert len((await waiting).entries) == 2  # there was nothing else in between


async def test_the_end_of_a_season_is_told_with_its_entries(
    service: Instance, database_url: str, players: list[str]
) -> None:
    add_boards(database_url)
    async with AsyncLiveBoard(service.url, SPRINT, timing=QUICK) as live:
        await is_(live, "live")
        await service.submit(players[0], "a1")
        await shows(live, 1)
        events = live.events()
        number = await end_season(database_url)
        told: list[Any] = []
        async with asyncio.timeout(30):
            async for event in events:
                told.append(event)
                if isinstance(event, Board) and event.season and event.season.number == number:
                    break
    [ended] = [event for event in told if isinstance(event, SeasonEnded)]
    [started] = [event for event in told if isinstance(event, SeasonStarted)]
    assert (ended.season.number, started.season.number) == (number - 1, number)
    assert ended.entries is not None
    assert [entry.score for entry in ended.entries] == [1]
    assert live.ended == ended


async def test_a_season_that_ended_while_the_line_was_cut_is_asked_for(
    service: Instance, line: Line, database_url: str, players: list[str]
) -> None:
    add_boards(database_url)
    async with AsyncLiveBoard(line.url, SPRINT, timing=QUICK) as live:
        await service.submit(players[0], "a1")
        await shows(live, 1)
        await line.proxy.cut()
        number = await end_season(database_url)
        await service.submit(players[1], "a2")
        await line.proxy.heal()
        ended = await eventually(lambda: live.ended, within_seconds=30)
    assert ended.season.number == number - 1
    assert [entry.score for entry in ended.entries] == [1]


async def test_what_asks_for_a_token_is_followed_over_the_ends_of_tokens(
    start: Start, players: list[str]
) -> None:
    service = await start(**SOON, require_token_to_read=True, access_token_seconds=2)
    rejected: list[str | None] = []

    async def token(before: str | None) -> str | None:
        rejected.append(before)
        return service.token(players[0])

    async with AsyncLiveBoard(service.url, timing=QUICK) as stranger:
        await is_(stranger, "offline", "forbidden")
    async with AsyncLiveBoard(service.url, timing=QUICK, get_token=token) as live:
        await is_(live, "live")
        await eventually(lambda: len(set(rejected)) > 2, within_seconds=60)
        await service.submit(players[0], "a0")
        await shows(live, 1)


async def test_an_unknown_board_is_told_apart(service: Instance) -> None:
    async with AsyncLiveBoard(service.url, "no-such-board", timing=QUICK) as live:
        await is_(live, "offline", "unknown")


async def test_nothing_that_answers_anything_else_is_shown(service: Instance) -> None:
    def page(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, html="<h1>a proxy</h1>")

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(page)) as http,
        AsyncLiveBoard(service.url, timing=QUICK, http=http) as live,
    ):
        await is_(live, "offline", "unavailable")
        assert live.board is None


async def test_what_concerns_a_user_is_told(service: Instance, players: list[str]) -> None:
    async def token(_: str | None) -> str | None:
        return service.token(players[0])

    async with AsyncPersonalStream(service.url, timing=QUICK, get_token=token) as mine:
        await is_(mine, "live")
        await service.submit(players[0], "a0")
        async with asyncio.timeout(30):
            told = [event async for event in _until_both(mine)]
    assert any(isinstance(event, Granted) and event.points == 1 for event in told)
    place = mine.place()
    assert place is not None
    assert (place.score, place.rank) == (1, 1)


async def _until_both(mine: AsyncPersonalStream) -> AsyncIterator[Any]:
    wanted = {Granted, Place}
    async for event in mine:
        yield event
        if isinstance(event, Granted) or (isinstance(event, Place) and event.rank):
            wanted.discard(type(event))
        if not wanted:
            return


async def test_a_program_without_asyncio_follows_a_board_and_a_user(
    service: Instance, line: Line, players: list[str]
) -> None:
    loop = asyncio.get_running_loop()

    def submit(action_id: str) -> None:
        asyncio.run_coroutine_threadsafe(service.submit(players[0], action_id), loop).result()

    def follow() -> list[int]:
        def token(_: str | None) -> str:
            return service.token(players[0])

        seen: list[int] = []
        cuts: list[int] = []
        with (
            LiveBoard(line.url, timing=QUICK) as live,
            PersonalStream(service.url, timing=QUICK, get_token=token) as mine,
        ):
            told = iter(mine)
            next(event for event in told if event == State("live"))  # before that, nobody tells
            for board in live:
                seen.append(sum(entry.score for entry in board.entries))
                if seen[-1] >= 2 and not cuts:
                    cuts.append(len(seen))
                    asyncio.run_coroutine_threadsafe(line.proxy.cut(), loop).result()
                    asyncio.run_coroutine_threadsafe(line.proxy.heal(), loop).result()
                if seen[-1] >= 4:
                    break
                submit(f"a{len(seen)}")
            granted = next(event for event in told if isinstance(event, Granted))
            assert granted.score >= 1
        assert live.state == State("idle")
        return seen

    seen = await asyncio.to_thread(follow)
    assert seen == sorted(seen)
    assert seen[-1] >= 4
