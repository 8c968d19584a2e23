"""The client with seasons, and with several boards, against a server that follows a script."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

from tests.browser.fake_server import (
    CONNECTED,
    FakeServer,
    Refusal,
    board_event,
    ended_event,
    entries,
    season,
)
from tests.browser.test_client import FAST, LOOK, Follow, follow, until, until_version
from tests.eventually import eventually

__all__ = ["follow"]

# What a client says of boards and seasons, in the order in which it says it.
LISTEN = """() => {
    window.told = [];
    const names = ({ entries }) => entries?.map(({ username }) => username) ?? null;
    client.addEventListener("board", ({ detail }) => told.push(["board", detail.version]));
    client.addEventListener("season:started", ({ detail }) =>
        told.push(["started", detail.boardId, detail.season.number]));
    client.addEventListener("season:ended", ({ detail }) =>
        told.push(["ended", detail.season.number, names(detail)]));
}"""


def turn(ended: int, version: int) -> bytes:
    """What a stream of `weekly` says at a boundary."""
    last = ended_event("weekly", season(ended, "ended"), *entries(5, "ada", "bob"))
    started = b'event: season:started\ndata: {"boardId":"weekly"}\n\n'
    return last + started + board_event(version, board_id="weekly", season=season(ended + 1))


async def listening(follow: Follow, fake: FakeServer, number: int, **options: Any) -> Page:
    """A page that follows `weekly` in this season."""
    fake.season = season(number)
    fake.opening = CONNECTED + board_event(fake.version, board_id="weekly", season=fake.season)
    page = await follow(board="weekly", **options)
    await until(page, "live")
    await until_version(page, fake.version)
    await page.evaluate(LISTEN)
    return page


async def until_told(page: Page, *wanted: list[Any]) -> None:
    async def is_told() -> bool:
        return bool(await page.evaluate("told") == list(wanted))

    await eventually(is_told, message=f"{wanted}")


async def test_a_board_has_a_direction_and_its_season(fake: FakeServer, follow: Follow) -> None:
    page = await listening(follow, fake, 3)
    board = await page.evaluate("client.board")
    assert (board["boardId"], board["direction"], board["season"]) == ("weekly", "high", season(3))
    assert await page.evaluate("Object.isFrozen(client.board.season)")


async def test_a_seasons_end_is_told_in_every_tab_before_the_next_begins(
    fake: FakeServer, follow: Follow
) -> None:
    tabs = [await listening(follow, fake, 3, shareTabs=True) for _ in range(2)]
    assert len(fake.streams) == 1
    fake.version, fake.season = 9, season(4)
    await fake.push(turn(3, 9))
    for tab in tabs:
        await until_told(tab, ["ended", 3, ["ada", "bob"]], ["started", "weekly", 4], ["board", 9])
    # Whoever comes later is not told of what is over.
    late = await follow(board="weekly", shareTabs=True)
    await late.evaluate(LISTEN)
    await until_version(late, 9)
    await fake.push(board_event(10, board_id="weekly", season=season(4)))
    await until_version(late, 10)
    assert [name for name, *_ in await late.evaluate("told")] == ["board"] * len(
        await late.evaluate("told")
    )
    # And nobody twice, whatever comes late.
    await fake.push(turn(3, 9) + board_event(11, board_id="weekly", season=season(4)))
    for tab in tabs:
        await until_version(tab, 11)
        assert (await tab.evaluate("told"))[3:] == [["board", 10], ["board", 11]]


async def test_an_end_that_came_while_the_connection_was_away_is_made_up_for(
    fake: FakeServer, follow: Follow
) -> None:
    page = await listening(follow, fake, 3)
    kept = {"boardId": "weekly", "season": season(3, "final"), "data": entries(7, "eve")}
    fake.archives["weekly", 3] = kept | {"closesAt": "2026-02-02T00:00:00Z", "digest": "5e"}
    fake.version, fake.season, fake.opening = 9, season(5), CONNECTED
    fake.cut()
    await until_told(page, ["started", "weekly", 5], ["board", 9], ["ended", 3, ["eve"]])
    assert await page.evaluate("[client.ended.season.state, client.ended.digest]") == [
        "final",
        "5e",
    ]
    assert await page.evaluate("client.readSeason(3).then(({ entries }) => entries[0].score)") == 7
    assert await page.evaluate("client.readSeason(99)") is None

    await eventually(lambda: len(fake.streams) == 2)
    await fake.until_open(1)
    await until(page, "live")
    fake.archives.clear()  # nor can it be said how it ended
    fake.version, fake.season = 12, season(6)
    fake.cut()
    await eventually(lambda: page.evaluate("told.length === 6"))
    assert (await page.evaluate("told"))[3:] == [
        ["started", "weekly", 6],
        ["board", 12],
        ["ended", 5, None],
    ]


async def test_a_season_may_end_with_none_behind_it_and_begin_with_none_before_it(
    fake: FakeServer, follow: Follow
) -> None:
    fake.opening = CONNECTED + board_event(1, board_id="weekly", season=None)
    page = await follow(board="weekly")
    await until_version(page, 1)
    await page.evaluate(LISTEN)
    for version, state in ((2, "running"), (3, "ended"), (4, "final")):
        await fake.push(board_event(version, "ada", board_id="weekly", season=season(1, state)))
    await until_told(
        page,
        ["started", "weekly", 1],
        ["board", 2],
        ["board", 3],
        ["ended", 1, ["ada"]],
        ["board", 4],
    )


async def test_versions_decide_over_seasons(fake: FakeServer, follow: Follow) -> None:
    """A poll that a cache answered late brings the season back for nobody."""
    page = await listening(follow, fake, 3)
    await fake.push(turn(3, 9))
    await until_version(page, 9)  # a cut throws away what the browser has not read yet
    fake.version = 8  # of season 3
    fake.refuse_streams = Refusal(503)
    fake.cut()
    await until(page, "polling")
    assert await page.evaluate("[client.board.version, client.board.season.number]") == [9, 4]


async def test_the_servers_clock_is_learned_from_the_dates_of_its_answers(
    fake: FakeServer, follow: Follow
) -> None:
    """A visitor's clock that is wrong makes no countdown wrong, nor one that is set meanwhile."""
    for minutes in (0, -10, 90):
        wrong = f"(now => {{ Date.now = () => now() + {minutes} * 60_000; }})(Date.now.bind(Date))"
        page = await follow(before=wrong, shareTabs=True)
        await until(page, "live")

        async def knows(page: Page = page, minutes: int = minutes) -> bool:
            off = f"client.serverTimeMs - Date.now() + {minutes} * 60_000"
            return bool(await page.evaluate(f"Math.abs({off}) < 10_000"))

        await eventually(knows)
        await page.close()


# Several boards

BOARDS = """async ([options, names]) => {
    const { ScoreboardClient } = await import("/client.js");
    window.clients = names.map((board) => new ScoreboardClient({ ...options, board }).start());
}"""
STATUSES = "clients.map(({ state }) => state.status)"


async def test_boards_beyond_the_streams_that_a_browser_has_room_for_are_polled(
    fake: FakeServer, follow: Follow
) -> None:
    """HTTP/1.1 gives a host six connections: with six streams nothing else would be answered."""
    first, second = [await follow(shareTabs=True, board=name) for name in ("b0", "b1")]
    for page in (first, second):
        await until(page, "live")
    third = await follow(shareTabs=True, board="b0")
    await third.evaluate(BOARDS, [FAST | {"shareTabs": True}, ["b2", "b3", "b4"]])
    await fake.until_open(4)

    async def has(*statuses: str) -> bool:
        return bool(sorted(await third.evaluate(STATUSES)) == sorted(statuses))

    await eventually(lambda: has("live", "live", "polling"))
    fake.version = 2
    await eventually(lambda: third.evaluate("clients.some(({ board }) => board?.version === 2)"))
    assert len(fake.open) == 4
    await second.close()
    await eventually(lambda: has("live", "live", "live"))
    await fake.until_open(4)


async def test_where_tabs_do_not_share_a_page_leaves_room_all_the_same(
    fake: FakeServer, follow: Follow
) -> None:
    page = await follow(board="b0", streamsMax=2)
    await page.evaluate(BOARDS, [FAST | {"streamsMax": 2}, ["b1", "b2"]])
    await fake.until_open(2)
    await eventually(lambda: page.evaluate(f"{STATUSES}.includes('polling')"))
    await page.evaluate("client.stop()")
    await eventually(lambda: page.evaluate(f"{STATUSES}.every((one) => one === 'live')"))


async def test_a_board_that_is_stopped_leaves_the_others_of_its_page_awake(
    fake: FakeServer, follow: Follow
) -> None:
    page = await follow(board="b0")
    await until(page, "live")
    await page.evaluate(BOARDS, [FAST, ["b1"]])
    await eventually(lambda: page.evaluate(f"{STATUSES}[0] === 'live'"))
    await page.evaluate("client.stop()")
    await fake.until_open(1)
    polls = len(fake.polls)
    await page.evaluate(LOOK, "visible")
    await eventually(lambda: len(fake.polls) > polls)
    assert fake.polls[-1].path == "/api/boards/b1/leaderboard"
