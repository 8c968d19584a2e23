"""The page with several boards and their seasons, against a server that follows a script."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.browser.axe import violations
from tests.browser.conftest import Console, OpenPage
from tests.browser.fake_server import (
    CONNECTED,
    FakeServer,
    Refusal,
    board_event,
    ended_event,
    entries,
    instant,
    season,
)
from tests.browser.test_client_seasons import turn
from tests.browser.test_page import names, until_live
from tests.eventually import eventually

TO = "\u2013"  # between the days of a season
SOON = instant(datetime.now(UTC) + timedelta(hours=20))
OpenBoard = Callable[..., Awaitable[Page]]


def defined(board_id: str, title: str, **members: Any) -> dict[str, Any]:
    """A board as the server describes it."""
    common = {
        "direction": "high",
        "size": 10,
        "period": "none",
        "zone": "UTC",
        "closedAt": None,
        "counts": "every",
    }
    return {"boardId": board_id, "title": title, "graceSeconds": 0} | common | members


MAIN = defined("main", "All time")
WEEKLY = defined("weekly", "This week", period="week")


@pytest.fixture
def open_board(open_page: OpenPage, fake: FakeServer) -> OpenBoard:
    """Open our page at a query: there are `main` and this board, which has these seasons."""
    fake.has_our_page = True

    async def open_one(
        query: str = "?board=weekly",
        *others: dict[str, Any],
        seasons: list[dict[str, Any]] | None = None,
        **options: Any,
    ) -> Page:
        fake.lists["/api/boards"] = {"data": [MAIN, *(others or [WEEKLY])], "next": None}
        page = {"data": seasons or [], "next": None}
        fake.lists |= {
            f"/api/boards/{each['boardId']}/seasons": page for each in others or [WEEKLY]
        }
        return await open_page(fake.url + query, **options)

    return open_one


async def top_of_rows(page: Page) -> float:
    return float(await page.locator("#rows").evaluate("it => it.getBoundingClientRect().top"))


async def test_titles_that_boards_come_with_are_in_the_language_of_the_page(
    fake: FakeServer, open_board: OpenBoard
) -> None:
    fake.language = "de"
    cup = defined("cup", "This week")
    page = await open_board("?board=weekly", WEEKLY, cup)
    links = page.locator("#boards a")
    await expect(links).to_have_text(["Seit Beginn", "Diese Woche", "This week"])
    await expect(page.get_by_role("heading", level=1)).to_have_text("Diese Woche")
    await expect(page).to_have_title("Diese Woche · Scoreboard")
    await page.reload()  # begins with the boards that it kept
    await expect(links).to_have_text(["Seit Beginn", "Diese Woche", "This week"])


async def test_a_board_is_chosen_by_mouse_or_keyboard_and_stands_in_the_address(
    fake: FakeServer, open_board: OpenBoard
) -> None:
    page = await open_board("")
    heading = page.get_by_role("heading", level=1)
    boards = page.get_by_role("navigation", name="Boards").get_by_role("link")
    await expect(heading).to_have_text("All time")
    await expect(boards).to_have_text(["All time", "This week"])
    await expect(page.locator("[aria-current=page]")).to_have_text("All time")

    fake.season = season(3)
    await boards.nth(1).click()
    await expect(heading).to_have_text("This week")
    await expect(page).to_have_title("This week · Scoreboard")
    await expect(page.locator("[aria-current=page]")).to_have_text("This week")
    assert page.url == f"{fake.url}?board=weekly"
    await until_live(page)
    await fake.until_open(1)  # the board before is left alone
    assert fake.streams[-1].path == "/api/boards/weekly/stream"

    await page.go_back()
    await expect(heading).to_have_text("All time")
    await boards.nth(1).focus()
    await page.keyboard.press("Enter")
    await expect(heading).to_have_text("This week")
    await expect(boards.nth(1)).to_be_focused()
    await page.reload()
    await expect(heading).to_have_text("This week")


async def test_who_asked_for_a_language_goes_on_in_it(
    fake: FakeServer, open_board: OpenBoard
) -> None:
    page = await open_board("?lang=de")
    await page.locator("#boards a").nth(1).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("This week")
    assert page.url == f"{fake.url}?lang=de&board=weekly"


async def test_who_is_about_to_choose_goes_on_from_there_when_the_boards_change(
    fake: FakeServer, open_board: OpenBoard
) -> None:
    page = await open_board("")
    weekly = page.get_by_role("link", name="This week")
    await weekly.focus()
    renamed = {"data": [MAIN, WEEKLY, defined("cup", "Cup")], "next": None}
    fake.lists["/api/boards"] = renamed
    await page.evaluate("scoreboard.dispatchEvent(new CustomEvent('season:started'))")
    await expect(page.get_by_role("link", name="Cup")).to_be_visible()
    await expect(weekly).to_be_focused()


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_on_a_phone_the_board_that_is_shown_is_seen_among_many(
    fake: FakeServer, open_board: OpenBoard, language: str
) -> None:
    fake.language = language
    others = [defined(f"cup-{n}", f"Cup number {n}") for n in range(7)]
    for shown in (3, 6):  # the last one cannot be in the middle
        phone = {"width": 390, "height": 700}
        page = await open_board(f"?board=cup-{shown}", *others, viewport=phone)
        chosen = page.locator("#boards [aria-current=page]")
        await expect(chosen).to_have_text(f"Cup number {shown}")
        await expect(chosen).to_be_in_viewport(ratio=1)
        middle = await chosen.evaluate(
            "(it) => { const { left, right } = it.getBoundingClientRect(); return left + right; }"
        )
        assert abs(middle - phone["width"]) < 4 or shown == 6


@pytest.mark.parametrize("width", [390, 1200])
async def test_a_reload_begins_with_everything_in_its_place(
    fake: FakeServer, open_board: OpenBoard, context: BrowserContext, width: int
) -> None:
    """What the server has still to say moves no row, nor do the seasons to choose from."""
    fake.season = season(3, endsAt=SOON)
    page = await open_board()
    await page.set_viewport_size({"width": width, "height": 800})
    await expect(page.get_by_role("heading", level=1)).to_have_text("This week")
    may_answer = asyncio.Event()

    async def answer_later(route: Route) -> None:
        await may_answer.wait()
        await route.continue_()

    await context.route("**/api/**", answer_later)
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("This week")
    await expect(page.locator("[aria-current=page]")).to_have_text("This week")

    before = await top_of_rows(page)
    fake.lists["/api/boards/weekly/seasons"]["data"] = [season(2, "final")] if width > 400 else []
    may_answer.set()
    await until_live(page)
    await expect(page.get_by_role("timer")).not_to_be_empty()
    if width > 400:
        await expect(page.get_by_role("combobox", name="Season")).to_be_visible()
    assert abs(await top_of_rows(page) - before) < 4


async def test_of_many_boards_one_is_chosen_from_a_list(
    fake: FakeServer, open_board: OpenBoard
) -> None:
    page = await open_board("", *(defined(f"b{n}", f"Board {n}") for n in range(40)))
    fake.season = season(1)
    await page.get_by_role("combobox", name="Board").select_option("Board 33")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Board 33")
    assert page.url == f"{fake.url}?board=b33"
    await page.go_back()
    await expect(page.get_by_role("combobox", name="Board")).to_have_value("main")


async def test_where_there_is_one_board_nothing_is_to_be_chosen(
    fake: FakeServer, open_board: OpenBoard
) -> None:
    page = await open_board("")
    await expect(page.get_by_role("navigation", name="Boards")).to_be_visible()
    fake.lists["/api/boards"] = {"data": [MAIN], "next": None}
    await page.reload()
    await until_live(page)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Top 10")
    await expect(page.get_by_role("navigation", name="Boards")).to_be_hidden()
    await expect(page.locator(".season")).to_be_hidden()


@pytest.mark.parametrize("query", ["?board=../main", "?board=%2E%2E", "?board=Weekly", "?board="])
async def test_what_is_no_id_of_a_board_is_not_asked_for(
    fake: FakeServer, open_board: OpenBoard, query: str
) -> None:
    page = await open_board(query)
    await until_live(page)
    assert {asked.path for asked in fake.polls + fake.streams} <= {
        "/api/leaderboard",
        "/api/leaderboard/stream",
    }


async def test_a_board_that_nobody_knows_is_said_to_be_missing_beside_those_there_are(
    fake: FakeServer, open_board: OpenBoard, console: Console
) -> None:
    console.expects_network_errors = True
    fake.refuse_polls = fake.refuse_streams = Refusal(404)
    page = await open_board("?board=yearly")
    await expect(page.locator("#state")).to_have_text("No such board")
    await expect(page.locator("#fresh")).to_have_text("there is no such board, or not yet")
    fake.refuse_polls = fake.refuse_streams = None
    await page.get_by_role("link", name="All time").click()
    await until_live(page)


async def test_the_time_left_is_counted_by_the_servers_clock(
    fake: FakeServer, open_board: OpenBoard, context: BrowserContext
) -> None:
    """In full under the pointer, as the visitor's calendar has it."""
    ends_at = datetime.now(UTC) + timedelta(days=2, hours=3, minutes=4, seconds=50)
    fake.season = season(12, endsAt=instant(ends_at))
    await context.add_init_script("(now => { Date.now = () => now() - 5e7; })(Date.now.bind(Date))")
    page = await open_board("?board=weekly", WEEKLY | {"zone": "America/New_York"})
    left = page.get_by_role("timer")
    await expect(left).to_have_text(re.compile(r"^2 d 03 h 04 min \d\d s$"))
    shown = await left.inner_text()
    await expect(left).not_to_have_text(shown)
    assert await left.inner_text() < shown
    await expect(page.locator("#season-text")).to_contain_text("Season 12, Mar 29")
    await expect(left).to_have_attribute("datetime", instant(ends_at))
    await expect(left).to_have_attribute("title", f"{ends_at:%A, %B {ends_at.day}, %Y at %H:%M}")


async def test_on_a_phone_no_row_moves_as_the_time_left_gets_shorter(
    fake: FakeServer, open_board: OpenBoard
) -> None:
    now = datetime.now(UTC)
    started = instant(now - timedelta(days=1))
    fake.season = season(3, startsAt=started, endsAt=SOON)
    past = [season(2, "final")]
    page = await open_board(seasons=past, viewport={"width": 420, "height": 800})
    await expect(page.get_by_role("combobox", name="Season")).to_be_visible()
    left = page.get_by_role("timer")
    await expect(left).to_contain_text("min")
    before = await top_of_rows(page)
    last = season(3, startsAt=started, endsAt=instant(now + timedelta(seconds=55)))
    await until_live(page)
    await fake.push(board_event(9, board_id="weekly", season=last))
    await expect(left).to_have_text(re.compile(r"^\d+ s$"))
    assert await top_of_rows(page) == before


WATCH = """(left) => {
    window.seen = [];
    const look = () => seen.push(scoreboard.serverTimeMs % 1000);
    new MutationObserver(look).observe(left, { childList: true });
}"""


async def test_each_second_of_the_time_left_is_shown_as_it_begins(
    fake: FakeServer, open_board: OpenBoard, context: BrowserContext
) -> None:
    """None is missed or shown twice, as by a timer that drifts over the server's seconds."""
    await context.clock.install()
    fake.season = season(3, endsAt=SOON)
    page = await open_board()
    await until_live(page)
    await expect(page.get_by_role("timer")).not_to_be_empty()
    await page.locator("#season-left").evaluate(WATCH)
    await page.clock.run_for(10_000)
    seen = await page.evaluate("seen.slice(1)")  # the clock may have been learned in between
    assert len(seen) >= 8
    assert max(seen) < 100, seen


async def test_a_seasons_end_is_seen_and_the_winners_stay_until_somebody_goes_on(
    fake: FakeServer, open_board: OpenBoard
) -> None:
    fake.season = season(3)
    page = await open_board()
    await until_live(page)
    fake.version, fake.season = 9, season(4)
    await fake.push(turn(3, 9))
    said = page.get_by_role("status").filter(has_text="Season 3 has ended.")
    await expect(said).to_have_text("Season 3 has ended. ada wins with 5 points.")
    assert await names(page) == ["ada", "bob"]
    now = season(4, endsAt=SOON)
    await fake.push(board_event(10, "eve", board_id="weekly", season=now))
    await eventually(lambda: page.evaluate("scoreboard.board.version === 10"))
    assert await names(page) == ["ada", "bob"]
    choice = page.get_by_role("combobox", name="Season")
    await expect(choice.locator("option:checked")).to_have_text(f"3, Jan 26 {TO} Feb 1, 2026")

    await page.get_by_role("button", name="Go to season 4").click()
    await expect(page.locator(".row:first-child .name")).to_have_text("eve")
    await expect(choice).to_be_hidden()  # nobody has listed a season that is over
    await expect(page.locator("#season-text")).to_contain_text(
        re.compile(f"Season 4, Feb 2 {TO} .* 2026, ends.in")
    )
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await expect(page.locator("#end-text")).to_be_empty()
    assert await page.locator(".row:first-child .move").text_content() == ""


async def test_a_final_board_goes_by_itself_while_somebody_looks(
    fake: FakeServer, open_board: OpenBoard, context: BrowserContext
) -> None:
    """A screen in a hall has nobody who presses a button."""
    await context.clock.install()
    fake.season = season(3)
    page = await open_board()
    await until_live(page)
    await fake.push(turn(3, 9))
    await expect(page.locator("#end-left")).to_have_text("in 28 s")
    await page.evaluate("Object.defineProperty(document, 'hidden', {value: true, writable: true})")
    await page.clock.run_for(60_000)
    await expect(page.locator("#end-text")).not_to_be_empty()
    await page.evaluate("document.hidden = false")
    await page.get_by_role("button", name="Go to season 4").focus()
    await page.clock.run_for(30_000)
    await expect(page.locator("#end-text")).to_be_empty()
    await expect(page.get_by_role("heading", level=1)).to_be_focused()  # the button is gone
    await expect(page.locator(".row:first-child .score")).to_have_text("9 points")


async def test_in_a_hall_the_winners_are_seen_whole_beneath_what_is_said_of_them(
    fake: FakeServer, open_board: OpenBoard
) -> None:
    fake.season = season(3)
    page = await open_board("?board=weekly#wall", viewport={"width": 1200, "height": 620})
    await until_live(page)
    await fake.push(turn(3, 9))
    await expect(page.locator("#end-text")).to_contain_text("ada wins")
    for row in await page.locator(".row").all():
        whole, rank = await row.bounding_box(), await row.locator(".rank").bounding_box()
        assert whole
        assert rank
        assert rank["height"] <= whole["height"]


async def test_past_seasons_are_looked_at_while_the_live_board_goes_on_unseen(
    fake: FakeServer, open_board: OpenBoard
) -> None:
    fake.season = season(3)
    for number in (1, 2):
        kept = {"boardId": "weekly", "season": season(number, "final")}
        fake.archives["weekly", number] = kept | {"data": entries(number, f"winner{number}", "bob")}
    past = [season(4, "upcoming"), season(3), season(2, "final"), season(1, "final")]
    page = await open_board(seasons=past)
    await until_live(page)
    choice = page.get_by_role("combobox", name="Season")
    await expect(choice.locator("option")).to_have_text(
        ["Live", f"2, Jan 19 {TO} 25, 2026", f"1, Jan 12 {TO} 18, 2026"]
    )
    await choice.select_option(f"2, Jan 19 {TO} 25, 2026")
    await expect(page.locator(".row:first-child .name")).to_have_text("winner2")
    await expect(page.locator("#end-text")).to_have_text(
        "Final board, as of Monday, January 26, 2026 at 00:00."
    )
    assert page.url == f"{fake.url}?board=weekly&season=2"
    await fake.push(turn(3, 9))
    await eventually(lambda: page.evaluate("scoreboard.board.version === 9"))
    assert await names(page) == ["winner2", "bob"]

    await page.reload()
    await expect(page.locator(".row:first-child .name")).to_have_text("winner2")
    await expect(choice).to_have_value("2")
    await page.get_by_role("button", name="Go to the live board").click()
    await expect(choice).to_have_value("")
    await expect(page.locator(".row:first-child .name")).to_have_text("ada")
    assert page.url == f"{fake.url}?board=weekly"
    await page.go_back()
    await expect(page.locator(".row:first-child .name")).to_have_text("winner2")


async def test_a_season_that_is_not_to_be_had_is_said_so_and_older_ones_are_asked_for(
    fake: FakeServer, open_board: OpenBoard, console: Console
) -> None:
    console.expects_network_errors = True
    fake.season = season(3)
    page = await open_board("?board=weekly&season=2", seasons=[season(3), season(2, "ended")])
    await expect(page.locator("#end-text")).to_have_text(
        "Season 2 cannot be read now, or there is none."
    )
    fake.archives["weekly", 2] = {
        "boardId": "weekly",
        "season": season(2, "ended"),
        "data": entries(2, "bob"),
    }
    fake.lists["/api/boards/weekly/seasons"] = {"data": [season(3), season(2, "ended")], "next": 2}
    await page.reload()
    await expect(page.locator("#end-text")).to_contain_text("may still be recorded")
    fake.lists["/api/boards/weekly/seasons"] = {"data": [season(1, "final")], "next": None}
    choice = page.get_by_role("combobox", name="Season")
    await choice.select_option("Older ones …")
    await expect(choice.locator("option")).to_have_count(3)
    await expect(choice).to_have_value("2")


async def test_where_the_lowest_score_wins_the_first_is_the_lowest(
    fake: FakeServer, open_board: OpenBoard
) -> None:
    laps = [
        {"userId": f"id-{n}", "username": f"driver{n}", "score": 60 + 30 * n} for n in range(10)
    ]
    fake.season = season(1, "ended")
    fake.opening = CONNECTED + board_event(2, board_id="laps", season=season(1))
    definition = defined("laps", "Laps", direction="low", size=25, counts="listed")
    page = await open_board("?board=laps", definition)
    await until_live(page)
    await fake.push(ended_event("laps", season(1, "ended"), *laps))
    await expect(page.locator(".row:not(.empty)")).to_have_count(10)
    await expect(page.locator(".row:first-child .score")).to_have_text("60 points")
    await expect(page.locator("#rule")).to_have_text(
        "The lowest score wins. Only some actions count here."
    )
    share = "(row) => Number(row.style.getPropertyValue('--share'))"
    assert await page.locator(".row:first-child").evaluate(share) == 1
    assert await page.locator(".row:nth-child(3)").evaluate(share) == 0.5
    await expect(page.locator(".row")).to_have_count(10)  # of a season that has ended
    await page.get_by_role("button", name="Go to the live board").click()
    await expect(page.locator(".row")).to_have_count(25)


async def test_a_board_of_three_has_three_places(fake: FakeServer, open_board: OpenBoard) -> None:
    fake.season = season(1)
    page = await open_board("?board=podium", defined("podium", "Podium", size=3))
    await until_live(page)
    await expect(page.locator(".row")).to_have_count(3)
    await expect(page.locator(".row:first-child .score")).to_have_text("1 point")
    await page.get_by_role("link", name="All time").click()
    await expect(page.locator(".row")).to_have_count(10)


CUP = defined("cup", "Cup", period="dates")
PAST = instant(datetime.now(UTC) - timedelta(minutes=2))
STATES = {
    "over": (  # and no server says so
        [season(2, "upcoming", startsAt=PAST), season(1)],
        season(1),
        CUP,
        f"Season 1, Jan 12 {TO} 18, 2026 has ended. Season 2 has begun.",
    ),
    "before": ([season(1, "upcoming", startsAt=SOON)], None, CUP, "Season 1 begins in"),
    "between": (
        [season(2, "upcoming", startsAt=SOON), season(1, "final")],
        season(1, "final"),
        CUP,
        f"Season 1, Jan 12 {TO} 18, 2026 has ended. Season 2 begins in",
    ),
    "after": (
        [season(1, "final")],
        season(1, "final"),
        CUP,
        f"Season 1, Jan 12 {TO} 18, 2026 has ended.",
    ),
    "closed": (
        [season(1, "final")],
        season(1, "final"),
        CUP | {"closedAt": "2026-01-19T10:00:00Z"},
        f"Season 1, Jan 12 {TO} 18, 2026. "
        "This board was closed on Monday, January 19, 2026 at 10:00.",
    ),
}


@pytest.mark.parametrize("state", STATES)
async def test_a_board_without_a_running_season_says_what_was_and_what_comes(
    fake: FakeServer, open_board: OpenBoard, state: str
) -> None:
    seasons, fake.season, definition, text = STATES[state]
    page = await open_board("?board=cup", definition, seasons=seasons)
    await until_live(page)
    await expect(page.locator("#season-text")).to_have_text(text)
    left = r"\d+ h \d\d min \d\d s" if "begins" in text else ""
    assert (await page.locator("#season-left").inner_text() == "") == (left == "")
    assert await page.locator(".fresh-start").count() == 0
    final = [] if state in ("before", "over") else ["Now", f"1, Jan 12 {TO} 18, 2026"]
    await expect(page.get_by_role("combobox", name="Season").locator("option")).to_have_text(final)


async def test_axe_finds_nothing_on_boards_and_seasons_and_nothing_is_too_wide(
    fake: FakeServer, open_board: OpenBoard
) -> None:
    fake.season = season(3, endsAt=SOON)
    kept = {"boardId": "weekly", "season": season(2, "final"), "data": entries(2, "x" * 50)}
    fake.archives["weekly", 2] = kept
    long = defined("long", "A title that goes on and on " * 4, direction="low")
    page = await open_board(
        "?board=weekly",
        WEEKLY | {"direction": "low"},
        long,
        seasons=[season(3), season(2, "final")],
        reduced_motion="reduce",
    )
    await until_live(page)

    async def is_well() -> None:
        assert await violations(page) == []
        for width in (320, 375, 768, 1280):
            await page.set_viewport_size({"width": width, "height": 700})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width

    await is_well()
    await page.get_by_role("combobox", name="Season").select_option(f"2, Jan 19 {TO} 25, 2026")
    await expect(page.locator("#end-text")).to_contain_text("Final board")
    await is_well()
    await page.get_by_role("button", name="Go to the live board").click()
    await fake.push(turn(3, 9))
    await expect(page.locator("#end-text")).to_contain_text("wins")
    await is_well()
    await page.get_by_role("link", name="A title").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("A title")
    await is_well()
