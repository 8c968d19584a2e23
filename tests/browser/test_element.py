"""`<live-scoreboard>` on a page, against a server that follows a script."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.axe import COLOR_SCHEMES, ColorScheme, violations
from tests.browser.conftest import Console, OpenPage
from tests.browser.fake_server import FakeServer, board_event, ended_event, entries, season
from tests.browser.test_boards import SOON, WEEKLY, defined
from tests.browser.test_client_seasons import turn
from tests.eventually import eventually

OpenElement = Callable[..., Awaitable[Page]]
PAGE = """<!doctype html><html lang="en"><meta charset=utf-8><link rel=icon href=data:,>
<meta name=viewport content="width=device-width"><title>Ours</title>
<main><h1>Ours</h1>%s</main><script type="module" src="/client/v1/live-scoreboard.js"></script>"""


@pytest.fixture
def open_element(open_page: OpenPage, fake: FakeServer) -> OpenElement:
    """Open a page with this in it: there are `main`, `weekly` and `cup`."""
    boards = [defined("main", "All time"), WEEKLY, defined("cup", "Cup", size=3)]
    fake.lists = {f"/api/boards/{one['boardId']}": {"success": True, "data": one} for one in boards}
    fake.lists["/api/boards/weekly/seasons"] = {"data": [], "next": None}

    async def open_one(html: str, page: str = PAGE, **options: Any) -> Page:
        fake.page = page % html
        return await open_page(fake.url, **options)

    return open_one


def title(at: Page | Locator) -> Locator:
    return at.locator(".title")


async def shows(at: Page | Locator, *names: str) -> None:
    await expect(at.locator(".row:not(.empty) .name")).to_have_text(list(names))


async def test_a_tag_and_a_script_are_all_that_a_page_needs(
    fake: FakeServer, open_element: OpenElement
) -> None:
    page = await open_element("<live-scoreboard lamp></live-scoreboard>")
    await expect(title(page)).to_have_text("Top 10")
    await expect(page.get_by_role("heading", level=2)).to_have_text("Top 10")
    await expect(page.locator(".status")).to_have_text("Live")
    await shows(page, "ada")
    await expect(page.locator(".row")).to_have_count(10)
    await fake.push(board_event(2, "bob", "ada", board_id="main"))
    await shows(page, "bob", "ada")
    await expect(page.locator(".row:first-child .move")).to_have_text("NEW")
    await expect(page.locator("#spoken")).to_have_text("bob is 1st with 2 points.")


async def test_two_on_one_page_have_boards_languages_and_themes_of_their_own(
    fake: FakeServer, open_element: OpenElement
) -> None:
    page = await open_element(
        '<live-scoreboard board="cup" lang="de" theme="dark"></live-scoreboard>'
        '<live-scoreboard board="weekly" lang="ar" theme="light" size="2"></live-scoreboard>'
    )
    german, arabic = (page.locator("live-scoreboard").nth(n) for n in (0, 1))
    await expect(title(german)).to_have_text("Cup")
    await expect(title(arabic)).to_have_text("هذا الأسبوع")
    await fake.until_open(2)
    await expect(german.locator(".row:first-child .score")).to_have_text("1 Punkt")
    await expect(arabic.locator(".row:first-child .score")).to_have_text("1نقطة واحدة")
    await expect(german.locator(".row")).to_have_count(3)
    await expect(arabic.locator(".row")).to_have_count(2)
    await expect(german.locator(".board")).to_have_css("background-color", "rgb(20, 25, 35)")
    await expect(arabic.locator(".board")).to_have_css("background-color", "rgb(255, 255, 255)")
    rank, score = [arabic.locator(f".row:first-child .{part}") for part in ("rank", "score")]
    left, right = await score.bounding_box(), await rank.bounding_box()
    assert left
    assert right
    assert left["x"] < right["x"]


async def test_what_a_page_changes_is_seen_at_once_and_the_board_before_is_left_alone(
    fake: FakeServer, open_element: OpenElement
) -> None:
    page = await open_element("<live-scoreboard></live-scoreboard>")
    await fake.until_open()
    board = page.locator("live-scoreboard")

    async def change(how: str) -> None:
        await board.evaluate(f"board => {{ {how} }}")

    await change("board.setAttribute('board', 'cup')")
    await expect(title(page)).to_have_text("Cup")
    await eventually(lambda: fake.streams[-1].path == "/api/boards/cup/stream")
    await fake.until_open()
    await expect(page.locator(".row")).to_have_count(3)
    await change("board.size = 2; board.lang = 'de'; board.userId = 'id-ada'")
    await expect(page.locator(".row")).to_have_count(2)
    await expect(page.locator(".mine")).to_have_count(1)
    await expect(page.locator(".row:first-child .score")).to_have_text("1 Punkt")
    await change("board.heading = 'Pokal'; board.level = 3; board.lamp = true")
    await expect(page.get_by_role("heading", level=3)).to_have_text("Pokal")
    await expect(page.locator(".status")).to_have_text("Live")
    await change("board.words = { points: { one: '{count} Münze', other: '{count} Münzen' } }")
    await expect(page.locator(".row:first-child .score")).to_have_text("1 Münze")
    await change("board.removeAttribute('board'); board.heading = ''")
    await expect(title(page)).to_be_hidden()
    await eventually(lambda: fake.streams[-1].path == "/api/leaderboard/stream")
    await fake.until_open()
    assert len(fake.streams) == 3


async def test_out_of_the_page_it_stops_and_back_in_it_goes_on(
    fake: FakeServer, open_element: OpenElement
) -> None:
    page = await open_element("<live-scoreboard></live-scoreboard><aside></aside>")
    await fake.until_open()
    await page.evaluate(
        "board = document.querySelector('live-scoreboard');"
        "document.querySelector('aside').append(board)"
    )
    await fake.push(board_event(2, "bob"))
    await shows(page, "bob")
    assert len(fake.streams) == 1  # a move interrupts nothing
    await page.evaluate("board.remove()")
    await fake.until_open(0)
    asked = len(fake.polls)
    await page.evaluate("document.body.append(board)")
    await fake.until_open()
    await fake.push(board_event(3, "eve"))
    await shows(page, "eve")
    assert len(fake.polls) > asked


async def test_nothing_of_it_is_left_when_it_is_gone(
    fake: FakeServer, open_element: OpenElement
) -> None:
    page = await open_element("<live-scoreboard board=weekly></live-scoreboard>")
    await fake.until_open()
    await page.evaluate("""() => {
        const board = document.querySelector("live-scoreboard");
        [window.board, window.client] = [new WeakRef(board), new WeakRef(board.client)];
        board.remove();
    }""")
    await fake.until_open(0)
    session = await page.context.new_cdp_session(page)

    async def is_gone() -> bool:
        await session.send("HeapProfiler.collectGarbage")
        return bool(await page.evaluate("!window.board.deref() && !window.client.deref()"))

    await eventually(is_gone)


async def test_what_was_set_before_it_was_defined_holds(
    fake: FakeServer, open_element: OpenElement
) -> None:
    early = "const [board] = document.getElementsByTagName('live-scoreboard');"
    sets = "board.board = 'cup'; board.userId = 'id-ada'; board.getToken = () => 'a-token';"
    page = await open_element(f"<live-scoreboard></live-scoreboard><script>{early}{sets}</script>")
    await expect(title(page)).to_have_text("Cup")
    await expect(page.locator(".mine .name")).to_have_text("ada")
    await fake.until_open()
    asked = fake.polls + fake.streams
    assert {one.path.rpartition("/")[0] for one in asked} == {"/api/boards/cup"}
    assert {one.headers["Authorization"] for one in asked} == {"Bearer a-token"}


async def test_it_is_made_by_a_script_as_well(fake: FakeServer, open_element: OpenElement) -> None:
    page = await open_element("")
    await page.evaluate("""async () => {
        const { LiveScoreboard } = await import("/client/v1/live-scoreboard.js");
        const board = new LiveScoreboard();
        window.heard = [];
        for (const type of ["board", "state", "shown", "season:ended", "season:started"]) {
            board.addEventListener(type, (event) => heard.push(event.type));
        }
        Object.assign(board, { board: "weekly", size: 5 });
        document.querySelector("main").append(board);
    }""")
    await expect(title(page)).to_have_text("This week")
    await expect(page.locator(".row")).to_have_count(5)
    fake.season = season(4)
    await fake.until_open()
    await fake.push(board_event(2, board_id="weekly", season=season(3)))
    await fake.push(turn(3, 9))
    await expect(page.locator("#end-text")).to_contain_text("Season 3 has ended.")
    heard = set(await page.evaluate("heard"))
    assert heard == {"board", "state", "shown", "season:ended", "season:started"}


async def test_a_client_is_shared_with_who_gives_it(
    fake: FakeServer, open_element: OpenElement
) -> None:
    page = await open_element("<live-scoreboard></live-scoreboard>")
    await fake.until_open()
    await page.evaluate("""async () => {
        const { ScoreboardClient } = await import("/client/v1/live-scoreboard.js");
        window.client = new ScoreboardClient({ board: "cup" }).start();
        window.board = document.querySelector("live-scoreboard");
        board.client = client;
    }""")
    await expect(title(page)).to_have_text("Cup")
    await fake.until_open()
    await page.evaluate("board.remove()")
    await fake.push(board_event(2, "bob", board_id="cup"))
    await eventually(lambda: page.evaluate("client.board.version === 2"))
    assert await page.evaluate("client.state.status") == "live"


async def test_past_seasons_are_chosen_where_the_page_offers_them(
    fake: FakeServer, open_element: OpenElement
) -> None:
    fake.season = season(3)
    kept = {"boardId": "weekly", "season": season(2, "final"), "data": entries(2, "winner")}
    fake.archives["weekly", 2] = kept
    listed = {"data": [season(3), season(2, "final")], "next": None}
    fake.lists["/api/boards/weekly/seasons"] = listed
    page = await open_element(
        "<live-scoreboard board=weekly seasons></live-scoreboard>"
        "<live-scoreboard board=weekly season=2></live-scoreboard>"
    )
    live, past = (page.locator("live-scoreboard").nth(n) for n in (0, 1))
    await shows(past, "winner")
    await expect(past.get_by_role("combobox")).to_be_hidden()
    await expect(past.locator("#end-text")).to_contain_text("Final board, as of")
    await live.evaluate("at => at.addEventListener('season:chosen', e => chosen = e.detail)")
    await live.get_by_role("combobox", name="Season").select_option("2")
    await shows(live, "winner")
    assert await page.evaluate("chosen") == {"boardId": "weekly", "number": 2}
    assert await live.get_attribute("season") == "2"
    await live.get_by_role("button", name="Go to the live board").click()
    await shows(live, "ada")
    await expect(title(live)).to_be_focused()


async def test_an_address_that_is_none_is_said_so(
    open_element: OpenElement, console: Console
) -> None:
    page = await open_element("<live-scoreboard url='http://'></live-scoreboard>")
    await expect(page.locator("#fresh")).to_have_text("this is no address of a scoreboard")
    [said] = console.complaints
    assert said.startswith('<live-scoreboard>: "http://" is no address of a scoreboard.')
    console.complaints.clear()


HOSTILE = ("<img src=x onerror=run=1>", "\u202eevil\u2069\u202d", "مرحبا", "x" * 300, "\u200b" * 9)


async def test_names_of_strangers_turn_nothing_around_and_make_nothing_wider(
    fake: FakeServer, open_element: OpenElement
) -> None:
    fake.season = season(3)
    page = await open_element(
        "<live-scoreboard board=weekly></live-scoreboard>", viewport={"width": 320, "height": 700}
    )
    await fake.until_open()
    await fake.push(board_event(2, *HOSTILE, board_id="weekly", season=season(3)))
    await shows(page, *HOSTILE)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    assert await page.locator("#rows :is(img, script)").count() == 0
    for row in await page.locator(".row:not(.empty)").all():
        rank, score = [await row.locator(f".{part}").bounding_box() for part in ("rank", "score")]
        assert rank
        assert score
        assert rank["x"] < score["x"]
    top = {"userId": "id", "username": HOSTILE[1], "score": 5}
    await fake.push(ended_event("weekly", season(3, "ended"), top))
    await expect(page.locator("#end-text")).to_have_text(
        "Season 3 has ended. evil wins with 5 points."
    )
    assert not await page.evaluate("'run' in window")


@pytest.mark.parametrize("lang", ["en", "ar"])
async def test_a_score_of_ten_digits_leaves_a_long_name_its_room_on_a_phone(
    fake: FakeServer, open_element: OpenElement, lang: str
) -> None:
    page = await open_element(
        f"<live-scoreboard lang={lang}></live-scoreboard>", viewport={"width": 320, "height": 700}
    )
    await fake.until_open()
    await fake.push(board_event(2_000_000_000, "a-name-of-twenty-two-ch", "bob", board_id="main"))
    first = page.locator(".row:first-child")
    await expect(first.locator(".name")).to_contain_text("twenty")
    assert await first.locator("bdi").evaluate("it => it.scrollWidth <= it.clientWidth")
    row, score = await first.bounding_box(), await first.locator(".score").bounding_box()
    assert row
    assert score
    assert score["y"] + score["height"] <= row["y"] + row["height"]
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320


AXE = """<live-scoreboard board="%s" lang="%s" theme="%s" lamp seasons></live-scoreboard>"""


@pytest.mark.parametrize(("lang", "theme"), [("en", "auto"), ("ar", "dark"), ("de", "light")])
async def test_axe_finds_nothing_in_any_state(
    fake: FakeServer, open_element: OpenElement, console: Console, lang: str, theme: str
) -> None:
    """A theme that is named is the same in both colour schemes."""
    console.expects_network_errors = True
    schemes: tuple[ColorScheme, ...] = COLOR_SCHEMES if theme == "auto" else ("light",)
    fake.season = season(3, endsAt=SOON)
    fake.lists["/api/boards/weekly/seasons"]["data"] = [season(2, "final")]
    fake.hang_polls = True
    html = AXE % ("weekly", lang, theme)
    page = await open_element(html, reduced_motion="reduce")
    assert await violations(page, *schemes) == []  # nothing is known yet
    fake.hang_polls = False
    await fake.until_open()
    await page.evaluate("document.querySelector('live-scoreboard').userId = 'id-bob'")
    this = season(3, endsAt=SOON)
    await fake.push(board_event(2, "ada", "eve", board_id="weekly", season=this))
    await fake.push(board_event(3, "ada", "bob", "eve", board_id="weekly", season=this))
    await expect(page.locator(".mine")).to_have_count(1)
    assert await violations(page, *schemes) == []
    await fake.push(turn(3, 9))
    await expect(page.locator("#end-text")).not_to_be_empty()
    assert await violations(page, *schemes) == []
    await page.evaluate("document.querySelector('live-scoreboard').season = 1")
    await expect(page.locator("#end-text")).to_contain_text("1")
    assert await violations(page, *schemes) == []
    await page.evaluate("document.querySelector('live-scoreboard').season = null")
    await page.context.set_offline(True)
    fake.cut()
    await expect(page.locator("[data-status=offline]")).to_be_visible()
    assert await violations(page, *schemes) == []


async def test_it_speaks_the_language_that_is_around_it(
    fake: FakeServer, open_element: OpenElement
) -> None:
    """Where the page is in a language that it does not speak, it speaks English."""
    page = await open_element("<live-scoreboard></live-scoreboard>")
    await shows(page, "ada")
    for lang, said in (("de-AT", "1 Punkt"), ("fr", "1 point"), ("no such tag", "1 point")):
        await page.evaluate("lang => document.querySelector('live-scoreboard').lang = lang", lang)
        await expect(page.locator(".row:first-child .score")).to_have_text(said)
    html = "<div lang=de><live-scoreboard></live-scoreboard></div>"
    await page.evaluate(f"document.querySelector('main').innerHTML = {json.dumps(html)}")
    await expect(page.locator(".row:first-child .score")).to_have_text("1 Punkt")
