"""The page on a phone, in a hall, and in other languages than English."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import Console, OpenPage
from tests.browser.fake_ranking import ME, FakeRanking
from tests.browser.test_card import catalogue, granted, open_as_ada, ranking
from tests.browser.test_page import PASSWORD, until_live
from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.world import add_actions

__all__ = ["ranking"]

PHONE = {"width": 360, "height": 640}
WHOLE = """(all) => all.every((one) => {
    const boxes = [one, one.closest(".row, body")].map((each) => each.getBoundingClientRect());
    const [box, around] = boxes;
    const isInWindow = box.left >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;
    return isInWindow && one.scrollWidth <= one.clientWidth + 1
        && box.top >= around.top - 1 && box.bottom <= around.bottom + 1;
})"""
# Letters that hang below their line, as g and _ do, are not cut there.
HANGS_FREELY = """(all) => all.every((one) => getComputedStyle(one).overflowY === "visible")"""


# A small screen


async def test_on_a_phone_a_bar_leads_to_the_actions_past_the_board(
    ranking: FakeRanking, open_page: OpenPage
) -> None:
    ranking.lists["/api/actions"] = catalogue(**{f"action-{n}": n for n in range(1, 30)})
    page = await open_as_ada(ranking, open_page, viewport=PHONE, reduced_motion="reduce")
    await until_live(page)
    first = page.locator(".action").first
    await expect(first).not_to_be_in_viewport()
    bar = page.get_by_role("navigation", name="On this page")
    await expect(bar.get_by_role("link", name="Board")).to_have_attribute("aria-current", "true")
    await bar.get_by_role("link", name="Complete an action").click()
    await expect(first).to_be_in_viewport(ratio=1)
    await expect(page.locator("#you")).to_be_focused()
    await expect(bar.get_by_role("link", name="Complete")).to_have_attribute("aria-current", "true")
    assert "#" not in page.url
    await bar.get_by_role("link", name="Board").click()
    await expect(page.get_by_role("heading", level=1)).to_be_in_viewport()
    assert await violations(page) == []
    await page.set_viewport_size({"width": 1280, "height": 900})
    await expect(bar).to_be_hidden()


async def test_a_score_of_ten_digits_has_room_beside_a_long_name(
    ranking: FakeRanking, open_page: OpenPage
) -> None:
    ranking.lists["/api/actions"] = catalogue(**{"a" * 100: 2_147_483_647})
    page = await open_as_ada(ranking, open_page, viewport={"width": 320, "height": 640})
    await page.locator(".place-line").first.wait_for()
    await ranking.push_place(5)
    await page.evaluate("document.querySelector('#my-score').textContent = '2,147,483,647'")
    for selector in ("#you", "#place"):
        card = page.locator(selector)
        assert await card.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    tiles = page.locator(".standing div")
    assert await tiles.evaluate_all(
        "(all) => all.every((one) => one.scrollWidth <= one.clientWidth)"
    )


# A hall


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920)])
@pytest.mark.parametrize("language", ["en", "ar"])
async def test_a_wall_shows_names_and_the_way_to_join_uncut(
    ranking: FakeRanking, open_page: OpenPage, size: tuple[int, int], language: str
) -> None:
    ranking.language = language
    long = ["Maximiliane-Friederike-von-Hohenzollern-Sigmaringe", "x" * 30, "w" * 25]
    entries = [
        {"userId": f"u{n}", "username": name, "score": 2_147_483_647 - n}
        for n, name in enumerate([*long, *(f"player{n}" for n in range(7))])
    ]
    view = {"width": size[0], "height": size[1]}
    page = await open_page(
        f"{ranking.url}?board=weekly#wall", viewport=view, reduced_motion="reduce"
    )
    await eventually(lambda: len(ranking.open) == 1)
    data = json.dumps(
        {"topUsers": entries, "timestamp": "2026-01-05T00:00:00Z", "boardId": "weekly"}
        | {"direction": "high", "season": None}
    )
    await ranking.push(f"id: 9\nevent: score:update\ndata: {data}\n\n".encode())
    await expect(page.locator(".row .name").first).to_contain_text(long[0])
    code = page.get_by_role("img").and_(page.locator("#code"))
    await expect(code).to_be_visible()
    assert await code.get_attribute("src") == "join.svg?board=weekly"
    assert await code.evaluate("(one) => one.offsetWidth") >= 0.12 * max(size)
    for locator in (page.locator(".row .name bdi"), page.locator(".join"), page.locator(".brand")):
        assert await locator.evaluate_all(WHOLE), locator
    assert await page.locator(".row .name bdi").evaluate_all(HANGS_FREELY)
    assert await violations(page) == []


async def test_a_wall_names_the_address_to_which_its_code_leads(
    start: Start, open_page: OpenPage
) -> None:
    instance = await start(public_url="https://scores.example.org/cup/")
    page = await open_page(f"{instance.url}/#wall")
    await expect(page.locator("#join")).to_have_text("scores.example.org/cup")


async def test_a_code_that_is_not_to_be_had_leaves_the_address(
    ranking: FakeRanking, open_page: OpenPage, console: Console
) -> None:
    console.expects_network_errors = True
    page = await open_page("about:blank")
    await page.route("**/join.svg*", lambda route: route.fulfill(status=404))
    await page.goto(f"{ranking.url}#wall")
    await until_live(page)
    await expect(page.locator("#join")).to_be_visible()
    await expect(page.locator("#code")).to_be_hidden()


# Forms


async def test_what_a_field_is_for_can_be_read_in_the_dark(
    instance: Instance, open_page: OpenPage
) -> None:
    page = await open_page(instance.url, color_scheme="dark")
    placeholder, hint = [
        await page.locator(one).evaluate("(one, part) => getComputedStyle(one, part).color", part)
        for one, part in (("#filter", "::placeholder"), ("#username-hint", None))
    ]
    assert placeholder == hint  # whose contrast is checked


# Languages


@pytest.mark.parametrize("language", ["de", "ar"])
async def test_the_page_speaks_another_language_and_axe_finds_nothing(
    ranking: FakeRanking, open_page: OpenPage, language: str
) -> None:
    ranking.language = language
    ranking.lists["/api/actions"] = catalogue(a=1, b=2)
    ranking.lists["/api/me/grants"] = granted("a")
    me = {"userId": ME, "username": "ada", "email": "ada@example.org", "hasPassword": True}
    ranking.lists["/api/me"] = {"data": me | {"createdAt": "2025-03-04T00:00:00Z"}}
    page = await open_page(ranking.url, reduced_motion="reduce", locale=language)
    await page.locator("#stranger").wait_for()
    assert await violations(page) == []
    page = await open_as_ada(ranking, open_page, reduced_motion="reduce", locale=language)
    await page.locator(".place-line").first.wait_for()
    await open_account_in(page)
    assert await violations(page) == []
    await expect(page.locator("#my-next")).to_contain_text(
        {"de": "Noch 11 Punkte bis zum 48.212. Platz", "ar": "نقطة حتى المركز"}[language]
    )
    await page.locator("#everybody").click()
    await page.locator("dialog .place-line").nth(5).wait_for()
    assert await violations(page) == []
    english = re.compile(r"\b(the|you|your|all|show|log|points?|place)\b", re.IGNORECASE)
    assert english.findall(await page.locator("body").inner_text()) == []
    await page.keyboard.press("Escape")
    await page.locator("#profile").click()
    await page.get_by_role("dialog").wait_for()
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def open_account_in(page: Page) -> None:
    await page.locator("#account summary").click()
    await expect(page.locator("#change")).to_be_visible()


async def test_from_right_to_left_a_list_scrolls_and_the_bar_turns(
    ranking: FakeRanking, open_page: OpenPage
) -> None:
    ranking.language = "ar"
    ranking.lists["/api/actions"] = catalogue(a=1)
    page = await open_as_ada(ranking, open_page, viewport=PHONE, reduced_motion="reduce")
    await page.locator("#everybody").click()
    grid = page.get_by_role("grid")
    await page.locator("dialog .place-line").nth(5).wait_for()
    await grid.evaluate("(one) => one.scrollTop = one.scrollHeight")
    await expect(grid.locator("[aria-rowindex='2000000']")).to_contain_text("2,000,000")
    last = grid.locator("[aria-rowindex='2000000']")
    parts = (".place-rank", ".place-name", ".star")
    rank, name, star = [
        await last.locator(part).evaluate("(one) => one.getBoundingClientRect().toJSON()")
        for part in parts
    ]
    assert rank["x"] > name["x"] > star["x"]


async def test_a_refusal_is_said_in_the_language_of_the_page(
    start: Start, open_page: OpenPage, console: Console
) -> None:
    console.expects_network_errors = True
    instance = await start()
    page = await open_page(f"{instance.url}/?lang=de", locale="de")
    await page.locator("#username").fill("a")
    await page.locator("#email").fill("a@example.org")
    await page.locator("#password").fill("password1")
    await page.locator("#enter-button").click()
    await expect(page.locator("#username-error")).to_contain_text("2 bis 50 Buchstaben")
    await page.locator("#username").fill("a b")
    async with page.expect_response("**/api/auth/register"):
        await page.locator("#enter-button").click()
    await expect(page.locator("#enter-button")).to_be_enabled()
    await expect(page.locator("#username-error")).to_contain_text("Ein Name hat keine Leerzeichen")
    await page.locator("#username").fill("ada")
    await page.locator("#enter-button").click()
    await expect(page.locator("#password-error")).to_contain_text("Nimm ein anderes Passwort")
    await page.locator("[data-mode=login]").click()
    await page.locator("#username").fill("nobody")
    await page.locator("#password").fill("password1")
    await page.locator("#enter-button").click()
    await expect(page.locator("#answer")).to_contain_text("Der Name oder das Passwort ist falsch.")


async def test_words_that_cannot_be_loaded_are_asked_for_again(
    start: Start, open_page: OpenPage, console: Console, database_url: str
) -> None:
    console.expects_network_errors = True
    add_actions(database_url, {"run": 50})
    instance = await start()
    page = await open_page(f"{instance.url}/?lang=de", locale="de")
    await page.route("**/words-de.*.json", lambda route: route.abort())
    await page.locator("[data-mode=login]").click()
    await page.locator("#username").fill("nobody")
    await page.locator("#password").fill("password1")
    await page.locator("#enter-button").click()
    await expect(page.locator("#answer")).to_contain_text("The user name or the password is wrong.")
    await page.locator("[data-mode=register]").click()
    for field, text in {"username": "ada", "email": "a@example.org", "password": PASSWORD}.items():
        await page.locator(f"#{field}").fill(text)
    await page.locator("#enter-button").click()
    await expect(page.locator("#me")).to_have_text("ada")
    await expect(page.locator("#answer")).to_contain_text("Das lässt sich gerade nicht laden.")
    await page.unroute("**/words-de.*.json")
    await page.locator("#leave").click()
    await page.locator("#username").fill("ada")
    await page.locator("#password").fill(PASSWORD)
    await page.locator("#enter-button").click()
    await page.get_by_role("button", name="run").click()
    await expect(page.locator("#answer")).to_have_text("+50 Punkte für run.")
