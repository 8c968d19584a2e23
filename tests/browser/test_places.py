"""One's own place and the list of all places, against a server with two million entries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import Console, OpenPage
from tests.browser.fake_ranking import ME, SESSION, FakeRanking
from tests.browser.fake_server import season
from tests.browser.test_boards import WEEKLY, defined
from tests.browser.test_page import until_live
from tests.eventually import eventually

KEPT = f"localStorage.setItem('scoreboard.session', {json.dumps(json.dumps(SESSION))})"
NO_RANK = "\u2013"
LOOK_AGAIN = "document.dispatchEvent(new Event('visibilitychange'))"
OpenRanking = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="session")
async def ranking() -> AsyncIterator[FakeRanking]:
    async with FakeRanking() as server:
        server.lists |= {
            "/api/boards": {"data": [defined("main", "All time"), WEEKLY], "next": None},
            "/api/boards/weekly/seasons": {"data": [], "next": None},
            "/api/actions": {
                "data": [{"actionId": "run", "points": 50}, {"actionId": "jump", "points": 70}],
                "next": None,
            },
        }
        yield server


@pytest.fixture
def open_ranking(
    ranking: FakeRanking, open_page: OpenPage, context: BrowserContext, console: Console
) -> OpenRanking:
    """Open the page at a query, as `ada`, who is logged in, or as nobody."""

    async def open_one(query: str = "", *, logged_in: bool = True) -> Page:
        if logged_in:
            await context.add_init_script(f"if (!window.opened) {KEPT}")
        page = await open_page(ranking.url + query)
        await until_live(page)
        if logged_in:
            await expect(section(page)).to_be_visible()
        return page

    return open_one


def section(page: Page) -> Locator:
    return page.get_by_role("region", name="My place")


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def row(page: Page, rank: int) -> Locator:
    return dialog(page).locator(f"[role=row][aria-rowindex='{rank}']")


async def open_list(page: Page) -> None:
    await page.get_by_role("button", name="Show me among all").click()
    await expect(dialog(page).locator(".mine")).to_be_focused()


async def is_in_sight(line: Locator) -> bool:
    """Whole, and within the list."""
    return bool(
        await line.evaluate(
            """(line) => {
                const [box, list] = [line, line.closest("[role=grid]")]
                    .map((each) => each.getBoundingClientRect());
                return box.top >= list.top - 1 && box.bottom <= list.bottom + 1;
            }"""
        )
    )


async def test_ones_place_is_said_in_words_and_follows_the_stream(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    page = await open_ranking()
    place = section(page)
    await expect(place.locator(".place-rank-words")).to_have_text("48,213th of 2,000,000")
    await expect(place).to_contain_text("You are ahead of 97.58 % of all.")
    await expect(place).to_contain_text("11 points more and you are ahead of player48212.")
    lines = place.get_by_role("listitem")
    await expect(lines).to_have_count(7)
    await expect(lines.nth(3)).to_have_class("place-line mine")
    await expect(page.locator("#my-rank")).to_have_text("48,213th")

    await ranking.push_place(1_000_001)
    await expect(place.locator(".place-rank-words")).to_have_text("1,000,001st of 2,000,000")
    await expect(place).to_contain_text("You are ahead of 49.99 % of all.")
    await expect(lines.nth(3)).to_contain_text("1,000,001")
    await expect(page.locator("#my-rank")).to_have_text("1,000,001st")

    await ranking.push_place(1)
    await expect(place).to_contain_text("Nobody is ahead of you.")
    await expect(lines.first).to_have_class("place-line mine")
    await expect(place.locator(".place-next")).to_be_empty()


async def test_a_tie_is_marked_and_explained(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    ranking.my_rank = 40
    page = await open_ranking()
    await expect(section(page)).to_contain_text(
        "Your score is that of the 39th, who had it earlier."
    )
    mine = section(page).locator(".mine .place-rank")
    await expect(mine).to_have_text("40 tied")
    await expect(mine).to_have_class("place-rank tied")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (2, "grace and bob overtook you."),
        (5, "grace, bob, and 3 more overtook you."),
    ],
)
async def test_who_is_overtaken_is_told_quietly(
    ranking: FakeRanking, open_ranking: OpenRanking, count: int, text: str
) -> None:
    page = await open_ranking()
    await page.emulate_media(reduced_motion="reduce")
    await eventually(lambda: len(ranking.personal) == 1)
    by = [{"userId": "x", "username": "grace"}, {"userId": "y", "username": "bob"}]
    overtaken = {"boardId": "main", "season": None, "by": by, "count": count, "rank": 7}
    await ranking.push_personal("me:overtaken", overtaken)
    notice = section(page).get_by_role("status").filter(has_text="overtook")
    await expect(notice).to_have_text(f"{text} You are 7th now.")
    # The rank is for those who hear it: others see it below, where it goes on.
    assert await notice.evaluate("(notice) => notice.firstChild.textContent") == text
    await expect(notice.locator(".hidden")).to_have_text("You are 7th now.")
    assert await page.evaluate("document.getAnimations().length") == 0
    await page.get_by_role("link", name="This week").click()
    await expect(section(page).get_by_text("overtook you")).to_have_count(0)


async def test_what_was_granted_elsewhere_appears_without_a_reload(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    page = await open_ranking()
    run = page.get_by_role("button", name="run")
    await expect(run).to_be_enabled()
    await eventually(lambda: len(ranking.personal) == 1)
    grants = [{"actionId": "run", "points": 50, "grantedAt": "2026-01-01T00:00:00Z"}]
    granted = {"grants": grants, "count": 1, "points": 50, "score": 50}
    await ranking.push_personal("me:granted", granted)
    await expect(run).to_be_disabled()
    await expect(page.locator("#answer")).to_have_text("+50 points for run.")


async def test_a_second_tab_hears_of_ones_place_over_the_first_ones_stream(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    page = await open_ranking()
    second = await open_ranking()
    await ranking.push_place(77)
    for tab in (page, second):
        await expect(section(tab).locator(".place-rank-words")).to_have_text("77th of 2,000,000")
    assert len(ranking.personal) == 1


async def test_while_the_stream_is_away_the_place_is_asked_for_and_it_is_said_when_nobody_answers(
    ranking: FakeRanking, open_ranking: OpenRanking, context: BrowserContext, console: Console
) -> None:
    console.expects_network_errors = True
    ranking.refuse_personal = True
    page = await open_ranking()
    await expect(section(page)).to_contain_text("48,213th")
    await context.route("**/api/**", lambda route: route.abort())
    await page.evaluate("dispatchEvent(new Event('online'))")
    away = section(page).get_by_text("Your place cannot be renewed just now; trying again.")
    await expect(away).to_be_visible()
    await context.unroute("**/api/**")
    ranking.refuse_personal = False
    ranking.my_rank = 5
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(section(page)).to_contain_text("5th of 2,000,000")
    await expect(away).to_be_hidden()


async def test_who_has_no_place_or_is_hidden_is_told_so(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    ranking.my_rank = None
    page = await open_ranking()
    await expect(section(page)).to_contain_text("You have no place here yet")
    await expect(section(page).get_by_role("listitem")).to_have_count(0)
    await expect(page.locator("#my-rank")).to_have_text(NO_RANK)
    await ranking.push_personal("me:place", ranking.place_event("main") | {"score": 30})
    await expect(section(page)).to_contain_text("You are not shown on this board.")
    asked = ranking.me_asked
    await page.evaluate(LOOK_AGAIN)
    await eventually(lambda: ranking.me_asked > asked)  # whose answer tells nobody of who is hidden
    await page.evaluate(LOOK_AGAIN)
    await eventually(lambda: ranking.me_asked > asked + 1)
    await expect(section(page)).to_contain_text("You are not shown on this board.")
    await ranking.push_place(12)
    await expect(section(page)).to_contain_text("12th of 2,000,000")


async def test_what_the_stream_says_is_newer_than_an_answer_that_was_under_way(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    page = await open_ranking()
    place = section(page)
    await expect(place.get_by_role("listitem").nth(3)).to_contain_text("48,213")
    await eventually(lambda: len(ranking.personal) == 1)
    ranking.my_rank = 60_000
    ranking.answers_of_me = asyncio.Semaphore(0)
    asked = ranking.me_asked
    await page.evaluate(LOOK_AGAIN)
    await eventually(lambda: ranking.me_asked == asked + 1)
    await ranking.push_place(77)
    await expect(place.locator(".place-rank-words")).to_have_text("77th of 2,000,000")
    ranking.answers_of_me.release()
    await expect(place.get_by_role("listitem").nth(3)).to_contain_text("60,000")
    await expect(place.locator(".place-rank-words")).to_have_text("77th of 2,000,000")
    ranking.answers_of_me.release()  # and those around are asked for again
    await expect(place.get_by_role("listitem").nth(3)).to_contain_text("77")


async def test_without_tabs_that_hear_each_other_there_is_no_second_stream_and_the_place_is_polled(
    ranking: FakeRanking, open_ranking: OpenRanking, context: BrowserContext
) -> None:
    await context.add_init_script("Object.defineProperty(navigator, 'locks', {value: undefined})")
    page = await open_ranking()
    await expect(page.locator("#my-rank")).to_have_text("48,213th")
    ranking.my_rank = 5
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(page.locator("#my-rank")).to_have_text("5th")
    assert ranking.personal_asked == 0


async def test_while_ranks_are_counted_a_deep_one_is_beyond_the_thousandth(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    ranking.counted = False
    page = await open_ranking()
    await expect(section(page).locator(".place-rank-words")).to_have_text("> 1,000")
    await expect(section(page)).to_contain_text("Yours will stand here shortly.")
    await page.get_by_role("button", name="All places").click()
    await expect(row(page, 1)).to_be_focused()
    grid = page.get_by_role("grid")
    await expect(grid).to_have_attribute("aria-rowcount", "-1")
    for _ in range(13):  # from page to page, by cursors past the thousandth
        await page.keyboard.press("End")
        await eventually(lambda: _focused_is_read(page))
    assert any("after=1001" in query for query in ranking.asked)
    await expect(dialog(page).locator(".place-rank", has_text="> 1,000").first).to_be_visible()
    await dialog(page).get_by_role("button", name="Jump to me").click()
    await expect(dialog(page)).to_contain_text("Ranks are being counted. Try again shortly.")


async def test_a_rank_that_is_not_counted_yet_is_waited_for_until_somebody_moves_on(
    ranking: FakeRanking, open_ranking: OpenRanking, console: Console
) -> None:
    console.expects_network_errors = True
    ranking.counted = False
    page = await open_ranking()
    await page.get_by_role("button", name="All places").click()
    await expect(row(page, 1)).to_be_focused()
    rank = dialog(page).get_by_label("Go to rank")
    said = dialog(page).locator(".answer")
    await rank.fill("50000")
    await page.keyboard.press("Enter")
    waits = "Ranks are being counted. The 50,000th is shown as soon as it is known."
    await expect(said).to_have_text(waits)
    await row(page, 2).click()
    await expect(said).to_be_empty()
    await rank.fill("60000")
    await page.keyboard.press("Enter")
    await expect(said).to_have_text(waits.replace("50,", "60,"))
    ranking.counted = True
    await expect(row(page, 60_000)).to_be_focused()
    await expect(said).to_be_empty()


async def _focused_is_read(page: Page) -> bool:
    return bool(await page.evaluate("!document.activeElement.classList.contains('unknown')"))


async def test_jump_to_me_shows_my_line_among_two_million_of_which_few_are_in_the_document(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    page = await open_ranking()
    await page.get_by_role("button", name="All places").click()
    await expect(row(page, 1)).to_be_focused()
    grid = page.get_by_role("grid", name="All places: All time")
    await expect(grid).to_have_attribute("aria-rowcount", "2000000")
    await dialog(page).get_by_role("button", name="Jump to me").click()
    mine = row(page, 48_213)
    await expect(mine).to_be_focused()
    await expect(mine).to_have_class("place-line mine")
    assert await is_in_sight(mine)
    assert await dialog(page).get_by_role("row").count() < 50
    await expect(dialog(page).locator(".place-where")).to_contain_text("of 2,000,000")
    assert len(ranking.asked) < 8
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="All places")).to_be_focused()


async def test_the_list_is_moved_through_by_keys(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    page = await open_ranking()
    await open_list(page)
    rank = 48_213
    for key, by in (("ArrowDown", 1), ("ArrowDown", 1), ("ArrowUp", -1)):
        await page.keyboard.press(key)
        rank += by
        await expect(row(page, rank)).to_be_focused()
    await page.keyboard.press("PageDown")
    focused = page.locator("[role=row]:focus")
    below = int(await focused.get_attribute("aria-rowindex") or 0)
    assert rank + 5 < below < rank + 40
    assert await is_in_sight(focused)
    await page.keyboard.press("PageUp")
    await expect(row(page, rank)).to_be_focused()
    await page.keyboard.press("End")
    await expect(row(page, 2_000_000)).to_be_focused()
    await expect(row(page, 2_000_000)).to_contain_text("player1999999")
    assert await is_in_sight(row(page, 2_000_000))
    await page.keyboard.press("ArrowDown")
    await expect(row(page, 2_000_000)).to_be_focused()
    await page.keyboard.press("Home")
    await expect(row(page, 1)).to_be_focused()
    await expect(row(page, 1)).to_contain_text("player1")
    assert await dialog(page).get_by_role("row").count() < 60
    # One row is where Tab comes in, and its star is the next stop.
    assert await dialog(page).locator("[role=row][tabindex='0']").count() == 1
    await page.keyboard.press("Tab")
    await expect(row(page, 1).get_by_role("button")).to_be_focused()


async def test_a_rank_is_gone_to_and_one_that_nobody_has_leads_to_the_last(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    page = await open_ranking()
    await open_list(page)
    rank = dialog(page).get_by_label("Rank")
    await rank.fill("1234567")
    await page.keyboard.press("Enter")
    await expect(row(page, 1_234_567)).to_be_focused()
    await expect(row(page, 1_234_567)).to_contain_text("player1234566")
    assert await is_in_sight(row(page, 1_234_567))
    ranking.total = 1_500_000  # some have left, which the form does not know yet
    await rank.fill("1900000")
    await page.keyboard.press("Enter")
    await expect(row(page, 1_500_000)).to_be_focused()


SCROLL = "(grid, by) => { grid.scrollTop += by; }"


async def test_a_long_list_scrolls_line_by_line_and_as_far_as_the_bar_is_drawn(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    """Its scroll height is less than its own, which no browser could draw."""
    page = await open_ranking()
    await page.get_by_role("button", name="All places").click()
    await expect(row(page, 1)).to_be_focused()
    await dialog(page).get_by_label("Rank").fill("1000000")
    await page.keyboard.press("Enter")
    await expect(row(page, 1_000_000)).to_be_focused()
    grid = page.get_by_role("grid")
    assert await grid.evaluate("(grid) => grid.scrollHeight") < 17_000_000
    before = await row(page, 1_000_000).bounding_box()
    await grid.evaluate(SCROLL, 100)

    async def has_moved() -> bool:
        now = await row(page, 1_000_000).bounding_box()
        return bool(before and now and abs(before["y"] - now["y"] - 100) < 2)

    await eventually(has_moved)
    # And so it stays when the bar has been put right.
    where = dialog(page).locator(".place-where")
    await expect(where).to_contain_text("1,000,0")
    assert await has_moved()

    await grid.evaluate("(grid) => { grid.scrollTop = grid.scrollHeight; }")
    await expect(row(page, 2_000_000)).to_contain_text("player1999999")
    assert await is_in_sight(row(page, 2_000_000))
    await grid.evaluate("(grid) => { grid.scrollTop = grid.scrollHeight / 4; }")
    await expect(where).to_contain_text("of 2,000,000")

    async def is_a_quarter() -> bool:
        first = (await where.inner_text()).partition(" ")[0].replace(",", "")
        return 480_000 < int(first) < 520_000

    await eventually(is_a_quarter)


async def test_the_focus_stays_with_a_user_who_moves(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    page = await open_ranking()
    await open_list(page)
    await page.keyboard.press("ArrowDown")
    await expect(row(page, 48_214)).to_be_focused()
    ranking.my_rank = 48_200  # who was at the line above has risen, and everybody between fell
    ranking.first = 3  # and two at the top have left
    await page.evaluate("document.activeElement.marked = true")
    await expect(row(page, 48_212)).to_contain_text("player48213", timeout=12_000)
    await expect(row(page, 48_212)).to_be_focused()
    assert await page.evaluate("document.activeElement.marked")


async def test_a_user_is_followed_by_a_key_and_seen_among_ones_friends(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    ranking.follows = {"user-7": "player7", "user-5000000": "player5000000"}
    page = await open_ranking()
    await open_list(page)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    star = row(page, 48_214).get_by_role("button", name="Follow player48213")
    await expect(star).to_have_attribute("aria-pressed", "true")
    assert "user-48213" in ranking.follows
    around = section(page).locator(".place-line", has_text="player48213")
    await expect(around.locator(".star")).to_have_attribute("aria-pressed", "true")

    await dialog(page).get_by_role("button", name="Friends").click()
    friends = dialog(page).get_by_role("list", name="Friends").get_by_role("listitem")
    await expect(friends).to_have_count(4)
    names = friends.locator(".place-name")
    await expect(names).to_have_text(["player7", "ada", "player48213", "player5000000"])
    ranks = friends.locator(".place-rank")
    await expect(ranks).to_have_text(["7", "48,213", "48,214 tied", NO_RANK])
    await expect(dialog(page)).to_contain_text("Friends without a rank have no place here yet.")
    await friends.nth(0).get_by_role("button").focus()
    await page.keyboard.press("Space")
    await expect(friends.nth(0).get_by_role("button")).to_have_attribute("aria-pressed", "false")
    await expect(friends.nth(0).get_by_role("button")).to_be_focused()
    assert "user-7" not in ranking.follows


async def test_who_is_not_logged_in_sees_all_places_and_loads_no_more_than_that(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    page = await open_ranking(logged_in=False)
    loaded = "performance.getEntriesByType('resource').map(({ name }) => name).join()"
    await expect(page.get_by_role("button", name="All places")).to_be_visible()
    for late in ("my-place", "places-dialog", "virtual-list", "places.", "friends"):
        assert f"/{late}" not in await page.evaluate(loaded)
    await page.get_by_role("button", name="All places").click()
    await expect(row(page, 1)).to_be_focused()
    assert "/my-place" not in await page.evaluate(loaded)
    assert ranking.personal == []
    await expect(dialog(page).get_by_role("button", name="Jump to me")).to_be_hidden()
    await expect(dialog(page).locator(".star:visible")).to_have_count(0)
    assert await violations(page) == []


async def test_the_focus_is_not_lost_when_what_opened_the_list_has_gone(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    page = await open_ranking()
    await open_list(page)
    await ranking.push_place(None)
    await expect(section(page)).to_contain_text("You have no place here yet")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="All places")).to_be_focused()


async def test_a_log_out_ends_the_stream_the_section_and_the_list(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    page = await open_ranking()
    await open_list(page)
    await eventually(lambda: len(ranking.personal) == 1)
    second = await open_ranking()
    await second.evaluate("window.opened = true")
    await second.get_by_role("button", name="Log out", exact=True).click()
    await expect(dialog(page)).to_have_count(0)
    await expect(section(page)).to_be_hidden()
    await eventually(lambda: len(ranking.personal) == 0)


async def test_another_board_has_another_place(
    ranking: FakeRanking, open_ranking: OpenRanking
) -> None:
    page = await open_ranking()
    await expect(section(page)).to_contain_text("48,213th")
    ranking.my_rank = 3
    ranking.season = ranking.ranking_season = season(4)
    await page.get_by_role("link", name="This week").click()
    await expect(section(page)).to_contain_text("3rd of 2,000,000")
    await eventually(lambda: len(ranking.personal) == 1)
    await page.get_by_role("button", name="All places").click()
    heading = dialog(page).get_by_role("heading")
    await expect(heading).to_have_text("All places: This week, season 4")


async def test_a_season_that_ends_stays_in_the_list_until_somebody_goes_on(
    ranking: FakeRanking, open_ranking: OpenRanking, console: Console
) -> None:
    console.expects_network_errors = True  # nobody has the final board
    ranking.season = ranking.ranking_season = season(4)
    page = await open_ranking("?board=weekly")
    await page.get_by_role("button", name="All places").click()
    await expect(row(page, 1)).to_be_focused()
    ranking.version += 1
    ranking.season = season(5)
    await page.evaluate("scoreboard.refresh()")
    notice = dialog(page).get_by_role("status").filter(has_text="has begun")
    await expect(notice).to_have_text("Season 5 has begun. These are the places of season 4.")
    await page.keyboard.press("End")
    await expect(row(page, 2_000_000)).to_contain_text("player1999999")
    assert "season=4" in ranking.asked[-1]
    ranking.ranking_season = season(5)
    await dialog(page).get_by_role("button", name="Show season 5").click()
    await expect(dialog(page).get_by_role("heading")).to_contain_text("season 5")
    await expect(row(page, 1)).to_be_focused()


async def test_places_of_a_season_that_are_not_kept_are_said_to_be_gone(
    ranking: FakeRanking, open_ranking: OpenRanking, console: Console
) -> None:
    console.expects_network_errors = True
    body = {"success": False, "code": "entries_not_kept", "message": "They are gone."}
    ranking.refuse_entries = web.json_response(body, status=410)
    ranking.season = season(4)
    page = await open_ranking("?board=weekly&season=2")
    await expect(page.get_by_role("region", name="My place in season 2")).to_be_visible()
    await page.get_by_role("button", name="All places").click()
    said = dialog(page).get_by_role("status").filter(has_text="not kept")
    await expect(said).to_have_text("The places of this season are not kept any more.")


@pytest.mark.parametrize("width", [320, 768, 1280])
async def test_nothing_is_wider_than_the_window_and_axe_finds_nothing(
    ranking: FakeRanking, open_ranking: OpenRanking, width: int
) -> None:
    page = await open_ranking()
    await page.set_viewport_size({"width": width, "height": 640})
    await page.emulate_media(reduced_motion="reduce")
    await expect(section(page).get_by_role("listitem")).to_have_count(7)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert await page.evaluate(fits)
    assert await violations(page) == []
    await open_list(page)
    assert await page.evaluate(fits)
    assert await is_in_sight(row(page, 48_213))
    grid = page.get_by_role("grid")
    assert await grid.evaluate("(grid) => grid.scrollWidth <= grid.clientWidth")
    assert await violations(page) == []
    assert ME not in await dialog(page).inner_text()
