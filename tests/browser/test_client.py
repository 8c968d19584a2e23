"""The client alone, against a server that follows a script."""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.conftest import Console, OpenPage
from tests.browser.fake_server import CONNECTED, HEARTBEAT, FakeServer, Refusal, board_event
from tests.eventually import eventually

FAST = {
    "pollSeconds": 0.2,
    "silenceSeconds": 60,
    "openSeconds": 30,
    "requestSeconds": 30,
    "retrySeconds": 0.2,
    "retryMaxSeconds": 1,
    "hiddenSeconds": 0.2,
    "shareTabs": False,
}
START = """async ([options, withToken]) => {
    const { ScoreboardClient } = await import("/client.js");
    if (withToken) {
        window.rejected = [];
        options.getToken = (rejected) => {
            window.rejected.push(rejected);
            return rejected === "old" ? "new" : window.token ?? "old";
        };
    }
    window.client = new ScoreboardClient(options);
    window.versions = [];
    window.states = [];
    client.addEventListener("board", ({ detail }) => versions.push(detail.version));
    client.addEventListener("state", ({ detail }) => states.push(detail.status));
    client.start();
}"""

# Somebody looks at a tab, or away.
LOOK = """(state) => {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""

Follow = Callable[..., Awaitable[Page]]


@pytest.fixture
def follow(open_page: OpenPage, fake: FakeServer, console: Console) -> Follow:
    """A page with a client on it; keyword arguments are its options."""
    console.expects_network_errors = True

    async def follow_one(*, before: str = "", with_token: bool = False, **options: Any) -> Page:
        page = await open_page(fake.url)
        if before:
            await page.evaluate(before)
        await page.evaluate(START, [FAST | options, with_token])
        return page

    return follow_one


async def status(page: Page) -> str:
    return str(await page.evaluate("client.state.status"))


async def until(page: Page, wanted: str, within_seconds: float = 10.0) -> None:
    async def is_so() -> bool:
        return await status(page) == wanted

    await eventually(is_so, within_seconds=within_seconds, message=f"status {wanted}")


async def until_version(page: Page, version: int) -> None:
    async def is_so() -> bool:
        return bool(await page.evaluate("client.board?.version") == version)

    await eventually(is_so, message=f"version {version}")


async def test_boards_of_the_stream_are_shown_and_no_poll_is_made_while_it_lives(
    fake: FakeServer, follow: Follow
) -> None:
    page = await follow()
    await until(page, "live")
    await eventually(lambda: len(fake.polls) == 1)  # before anybody knew that the stream works
    for version in (2, 3):
        await fake.push_board(version, "ada", "<b>bob</b>")
    await until_version(page, 3)
    assert await page.evaluate("client.board.entries.map((e) => e.username)") == [
        "ada",
        "<b>bob</b>",
    ]
    assert await page.evaluate("Object.isFrozen(client.board.entries)")
    assert await page.evaluate("client.ageSeconds") < 5
    assert len(fake.polls) == 1


async def test_an_older_version_is_ignored_by_whatever_way_it_comes(
    fake: FakeServer, follow: Follow
) -> None:
    page = await follow()
    await until(page, "live")
    await fake.push(board_event(5) + board_event(4) + board_event(5))
    await until_version(page, 5)
    fake.version = 3  # a cache that is behind
    fake.refuse_streams = Refusal(500)
    fake.cut()
    await until(page, "polling")
    fake.version = 6
    await until_version(page, 6)
    versions = await page.evaluate("versions")
    assert versions == sorted(set(versions))


async def test_a_board_that_is_numbered_anew_is_shown_on_every_way(
    fake: FakeServer, follow: Follow
) -> None:
    """The version had leapt: whoever kept the highest one would wait for it for ever."""
    leapt = 2**53 - 9
    leader, follower = [await follow(shareTabs=True) for _ in range(2)]
    await until(leader, "live")
    await fake.push_board(leapt)
    for page in (leader, follower):
        await until_version(page, leapt)

    fake.version = 70
    await fake.push(b'event: closing\ndata: {"code":"renumbered","message":"Forget"}\n\n')
    for page in (leader, follower):
        await until_version(page, 70)
    await fake.until_open(1)
    await fake.push(board_event(72) + board_event(71))
    for page in (leader, follower):
        await until_version(page, 72)
        assert (await page.evaluate("versions"))[-3:] == [leapt, 70, 72]


async def test_a_stream_is_read_however_its_bytes_are_cut_and_its_lines_end(
    fake: FakeServer, follow: Follow
) -> None:
    page = await follow()
    await until(page, "live")
    for byte in board_event(7, "Gödel", end="\r\n"):
        await fake.push(bytes([byte]))
    await until_version(page, 7)
    assert await page.evaluate("client.board.entries[0].username") == "Gödel"
    await fake.push(b"id: 8\revent: score:update\rdata: \rdata: nonsense\r\r")
    await fake.push(b"unknown\n: comment\nevent: other\ndata: {}\n\n")
    await fake.push(board_event(9, end="\r"))
    # Nothing tells a lone CR from half of a CRLF until more comes.
    await fake.push(b": more\n")
    await until_version(page, 9)
    assert (await page.evaluate("versions"))[-2:] == [7, 9]


async def test_without_a_stream_it_polls_with_the_version_it_has_and_returns_to_the_stream(
    fake: FakeServer, follow: Follow
) -> None:
    fake.refuse_streams = Refusal(404)
    page = await follow()
    await until(page, "polling")
    await eventually(lambda: fake.polls[-1].headers.get("If-None-Match") == '"1"')
    fake.version = 2
    await until_version(page, 2)

    fake.refuse_streams = None
    await until(page, "live")
    polls = len(fake.polls)
    await fake.push_board(3)
    await until_version(page, 3)
    assert len(fake.polls) <= polls + 1
    assert "offline" not in await page.evaluate("states")


async def test_a_stream_of_another_type_is_none(fake: FakeServer, follow: Follow) -> None:
    """A network that wants a log-in answers everything with its own page."""
    fake.refuse_streams = Refusal(200, {"Content-Type": "text/html"})
    page = await follow()
    await until(page, "polling")


async def test_a_browser_without_streams_polls(fake: FakeServer, follow: Follow) -> None:
    page = await follow(before="delete Response.prototype.body")
    await until(page, "polling")
    fake.version = 2
    await until_version(page, 2)
    assert "live" not in await page.evaluate("states")


async def test_a_stream_that_falls_silent_is_given_up_and_opened_again(
    fake: FakeServer, follow: Follow
) -> None:
    page = await follow(silenceSeconds=0.6)
    await until(page, "live")
    await eventually(lambda: len(fake.streams) >= 2)
    await until(page, "live")
    states = await page.evaluate("states")
    assert "connecting" in states[states.index("live") :]


async def test_heartbeats_keep_a_silent_stream(fake: FakeServer, follow: Follow) -> None:
    page = await follow(silenceSeconds=2.0)
    await until(page, "live")
    started = time.monotonic()

    async def beaten_for_longer_than_the_limit() -> bool:
        await fake.push(HEARTBEAT)
        return time.monotonic() > started + 2.5

    await eventually(beaten_for_longer_than_the_limit, every_seconds=0.1)
    assert len(fake.streams) == 1
    assert await status(page) == "live"


async def test_a_proxy_that_buffers_is_found_out_by_the_missing_first_event(
    fake: FakeServer, follow: Follow
) -> None:
    fake.opening = b""
    page = await follow(openSeconds=0.5)
    await until(page, "polling")
    fake.opening = CONNECTED
    await until(page, "live")


async def test_retry_is_obeyed_and_spread(fake: FakeServer, follow: Follow) -> None:
    """It is the least that is waited, and chance adds up to half of it."""
    fake.opening = b"retry: 700\n" + CONNECTED
    page = await follow(before="window.luck = 0; Math.random = () => luck")
    for luck in (1, 0):
        await fake.until_open()
        # A cut throws away what the browser has not read yet, and `retry:` with it.
        await until(page, "live")
        await page.evaluate("(luck) => { window.luck = luck; }", luck)
        fake.cut()
        await fake.until_open(0)
    await fake.until_open()
    first, second = (b.at - a.at for a, b in itertools.pairwise(fake.streams))
    assert first >= 1.5 * 0.69
    assert second >= 0.69


async def test_retry_after_is_obeyed_on_both_ways_even_when_the_user_returns(
    fake: FakeServer, follow: Follow
) -> None:
    fake.refuse_streams = fake.refuse_polls = Refusal(429, {"Retry-After": "2"})
    page = await follow()
    await until(page, "offline")
    assert await page.evaluate("client.state.reason") == "limited"
    await page.evaluate("client.refresh()")
    await eventually(lambda: len(fake.streams) >= 2 and len(fake.polls) >= 2)
    assert fake.streams[1].at - fake.streams[0].at >= 1.9
    assert fake.polls[1].at - fake.polls[0].at >= 1.9


async def test_it_asks_ever_less_often_while_nobody_answers(
    fake: FakeServer, follow: Follow
) -> None:
    fake.refuse_streams = fake.refuse_polls = Refusal(503)
    page = await follow(retrySeconds=0.05)
    await eventually(lambda: len(fake.streams) >= 6, within_seconds=10)
    assert await status(page) == "offline"
    pauses = [b.at - a.at for a, b in itertools.pairwise(fake.streams)]
    # A busy machine adds to them, and takes nothing away.
    assert all(pause >= 0.04 * 2**n for n, pause in enumerate(pauses)), pauses
    fake.refuse_streams = fake.refuse_polls = None
    await page.evaluate("client.refresh()")
    await until(page, "live")
    assert await page.evaluate("client.state.reason") == ""


async def test_a_poll_without_an_answer_is_given_up(fake: FakeServer, follow: Follow) -> None:
    fake.refuse_streams = Refusal(500)
    fake.hang_polls = True
    page = await follow(requestSeconds=0.4)
    await until(page, "offline")

    async def says_so() -> bool:  # between two tries of the stream, which is only "unavailable"
        return bool(await page.evaluate("client.state.reason === 'unreachable'"))

    await eventually(says_so)


async def test_the_age_grows_while_offline(fake: FakeServer, follow: Follow) -> None:
    page = await follow()
    await until_version(page, 1)
    await until(page, "live")
    fake.refuse_streams = fake.refuse_polls = Refusal(503)
    fake.cut()
    await until(page, "offline")

    async def is_old() -> bool:
        return bool(await page.evaluate("client.ageSeconds > 0.5"))

    await eventually(is_old)


async def test_an_announced_end_leads_to_another_stream(fake: FakeServer, follow: Follow) -> None:
    page = await follow()
    await until(page, "live")
    await fake.push(b'event: closing\ndata: {"code":"shutting_down","message":"Bye"}\n\n')
    await eventually(lambda: len(fake.streams) == 2)
    await until(page, "live")
    # What changed meanwhile is asked for at once.
    await eventually(lambda: len(fake.polls) >= 2)


async def test_tokens_are_sent_and_a_rejected_one_is_shown_to_be_renewed(
    fake: FakeServer, follow: Follow
) -> None:
    fake.refuse_streams = fake.refuse_polls = Refusal(403)
    page = await follow(with_token=True)
    await until(page, "offline")
    assert await page.evaluate("client.state.reason") == "forbidden"
    await eventually(lambda: fake.streams[-1].headers["Authorization"] == "Bearer new")
    fake.refuse_streams = fake.refuse_polls = None
    await page.evaluate("window.token = 'newest'; client.refresh()")
    await until(page, "live")
    streams = len(fake.streams)
    await fake.push(b'event: closing\ndata: {"code":"expired_token"}\n\n')
    await eventually(lambda: len(fake.streams) > streams)
    assert fake.streams[-1].headers["Authorization"] == "Bearer newest"


async def test_a_tab_that_is_looked_at_again_asks_at_once(fake: FakeServer, follow: Follow) -> None:
    fake.refuse_streams = Refusal(500)
    page = await follow(pollSeconds=1000, retrySeconds=1000)
    await until(page, "polling")
    polls, streams = len(fake.polls), len(fake.streams)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await eventually(lambda: len(fake.polls) > polls and len(fake.streams) > streams)


async def test_a_machine_that_slept_opens_a_new_stream(fake: FakeServer, follow: Follow) -> None:
    page = await follow()
    await until(page, "live")
    # The clock went on for an hour and timers did not.
    await page.evaluate("(now => { Date.now = () => now() + 3_600_000; })(Date.now.bind(Date))")
    await eventually(lambda: len(fake.streams) == 2)
    await until(page, "live")


async def test_after_stop_nothing_is_open_and_nothing_is_asked(
    fake: FakeServer, follow: Follow
) -> None:
    page = await follow(pollSeconds=0.05)
    await until(page, "live")
    await page.evaluate("client.stop()")
    await fake.until_open(0)
    asked = len(fake.polls) + len(fake.streams)
    await page.wait_for_timeout(500)  # nothing to wait for: that nothing happens is the point
    assert len(fake.polls) + len(fake.streams) == asked
    assert await status(page) == "idle"
    await page.evaluate("client.start()")
    await until(page, "live")


# Several tabs


async def test_one_tab_streams_for_all_and_another_takes_over(
    fake: FakeServer, follow: Follow
) -> None:
    first = await follow(shareTabs=True)
    await until(first, "live")
    others = [await follow(shareTabs=True) for _ in range(2)]
    for page in others:
        await until(page, "live")
    await fake.push_board(2)
    for page in (first, *others):
        await until_version(page, 2)
    assert len(fake.streams) == 1
    assert [await page.evaluate("client.state.leads") for page in (first, *others)] == [
        True,
        False,
        False,
    ]

    [ended] = fake.open
    await first.close()
    await eventually(lambda: len(fake.streams) == 2 and ended not in fake.open)
    await fake.until_open(1)
    await fake.push_board(3)
    for page in others:
        await until_version(page, 3)
        await until(page, "live")


async def test_a_leader_that_falls_silent_loses_its_place(fake: FakeServer, follow: Follow) -> None:
    leader = await follow(shareTabs=True)
    await until(leader, "live")
    # A frozen tab holds its lock, and says nothing.
    await leader.evaluate("BroadcastChannel.prototype.postMessage = () => {}")
    other = await follow(shareTabs=True, pulseSeconds=0.5)
    await until_version(other, 1)  # asked for by itself
    await until(other, "live", within_seconds=20)
    assert await other.evaluate("client.state.leads")
    assert not await leader.evaluate("client.state.leads")


async def test_a_frozen_leader_loses_its_place_as_soon_as_somebody_looks_at_another_tab(
    fake: FakeServer, follow: Follow
) -> None:
    """Long before the silence of a minute that is normal for a stream here."""
    leader = await follow(shareTabs=True)
    await until(leader, "live")
    other = await follow(shareTabs=True)
    await until(other, "live")
    assert not await other.evaluate("client.state.leads")
    await other.evaluate(LOOK, "visible")  # a leader that is awake answers, and stays
    await eventually(lambda: len(fake.polls) >= 2)
    await leader.evaluate("BroadcastChannel.prototype.postMessage = () => {}")
    await other.evaluate(LOOK, "visible")

    async def leads() -> bool:
        return bool(await other.evaluate("client.state.leads"))

    await eventually(leads)
    await until(other, "live")
    assert len(fake.streams) == 2


@pytest.mark.parametrize(
    "missing",
    ["Object.defineProperty(navigator, 'locks', {value: undefined})", "delete BroadcastChannel"],
)
async def test_without_locks_or_channels_each_tab_is_on_its_own(
    fake: FakeServer, follow: Follow, missing: str
) -> None:
    pages = [await follow(shareTabs=True, before=missing) for _ in range(2)]
    await fake.until_open(2)
    await fake.push_board(2)
    for page in pages:
        await until_version(page, 2)


async def test_without_locks_a_tab_that_nobody_sees_gives_its_connection_back(
    fake: FakeServer, follow: Follow
) -> None:
    """Or six such tabs of a page on plain HTTP would leave none to the seventh."""
    page = await follow(
        shareTabs=True, before="Object.defineProperty(navigator, 'locks', {value: undefined})"
    )
    await until(page, "live")
    await page.evaluate(LOOK, "hidden")
    await fake.until_open(0)
    assert await status(page) == "connecting"
    polls = len(fake.polls)
    fake.version = 2
    await page.evaluate(LOOK, "visible")
    await until(page, "live")
    await until_version(page, 2)
    assert len(fake.polls) > polls


# A tab that leads, as the release before boards had names wrote to the others.
EARLIER_RELEASE = """() => {
    const name = `scoreboard:${location.origin}/api/leaderboard`;
    navigator.locks.request(name, () => new Promise(() => {}));
    const channel = new BroadcastChannel(name);
    const board = { version: 7, entries: [], timestamp: "2024-12-09T14:30:45Z" };
    const news = { board, status: "live", reason: "", confirmedAt: Date.now(), limitMs: 60_000 };
    channel.onmessage = ({ data: { wanted } }) => wanted && channel.postMessage({ news });
}"""


async def test_tabs_of_an_earlier_release_and_of_this_one_understand_each_other(
    fake: FakeServer, follow: Follow
) -> None:
    """While a new release is rolled out, a browser may have both."""
    page = await follow(shareTabs=True, before=EARLIER_RELEASE)
    await until_version(page, 7)
    await until(page, "live")
    assert await page.evaluate("[client.board.boardId, client.state.leads]") == ["main", False]
    assert await page.evaluate("Object.isFrozen(client.board.entries)")
    assert fake.streams == []


# Other boards than main


async def test_a_board_that_is_named_is_asked_for_by_name_and_no_other_is_shown(
    fake: FakeServer, follow: Follow
) -> None:
    fake.board_id = "daily"
    fake.opening = CONNECTED + board_event(1, board_id="daily")
    page = await follow(board="weekly")
    await until(page, "offline")
    await eventually(lambda: len(fake.streams) >= 2)
    assert await page.evaluate("[client.board, client.state.reason]") == [None, "unavailable"]
    fake.board_id, fake.opening = None, CONNECTED + board_event(2, board_id="weekly")
    await until(page, "live")
    await until_version(page, 2)
    await fake.push(board_event(3, board_id="weekly"))
    await until_version(page, 3)
    assert await page.evaluate("client.board.boardId") == "weekly"
    assert {asked.path for asked in fake.polls} == {"/api/boards/weekly/leaderboard"}
    assert {asked.path for asked in fake.streams} == {"/api/boards/weekly/stream"}


async def test_a_board_that_the_server_does_not_have_is_said_to_be_unknown(
    fake: FakeServer, follow: Follow
) -> None:
    fake.refuse_streams = fake.refuse_polls = Refusal(404)
    page = await follow(board="nobodys")
    await until(page, "offline")
    assert await page.evaluate("client.state.reason") == "unknown"


async def test_tabs_of_two_boards_do_not_hear_each_other(fake: FakeServer, follow: Follow) -> None:
    main = await follow(shareTabs=True)
    await until_version(main, 1)
    assert await main.evaluate("client.board.boardId") == "main"
    fake.version = 7
    weekly = await follow(shareTabs=True, board="weekly")
    await until_version(weekly, 7)
    for page in (main, weekly):
        await until(page, "live")
        assert await page.evaluate("client.state.leads")
    streams = [asked.path for asked in fake.streams]
    assert streams == ["/api/leaderboard/stream", "/api/boards/weekly/stream"]
    assert await main.evaluate("client.board.version") == 1
