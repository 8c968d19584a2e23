"""The page as people meet it."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.browser.axe import violations
from tests.browser.conftest import Console, OpenPage
from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.world import add_actions, add_users, sql

PASSWORD = "correct horse battery"
# Compressed. Of it 13,500 are the client and 14,000 the element, each one file for all pages, and
# 4,500 the page with the words that it needs at once. What else somebody needs who is logged in or
# refused something, who looks at all places or at the profile, is loaded then.
BUDGET_BYTES = 47_500


async def names(page: Page) -> list[str]:
    return await page.locator(".row:not(.empty) .name").all_text_contents()


async def until_live(page: Page) -> None:
    await expect(page.locator("#state")).to_have_text("Live")


async def register(page: Page, name: str) -> None:
    await page.get_by_label("User name").fill(name)
    await page.get_by_label("E-mail").fill(f"{name}@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.locator("#enter-button").click()
    await expect(page.locator("#me")).to_have_text(name)


async def grant(instance: Instance, user: str, *actions: str) -> None:
    for action in actions:
        status, document = await instance.submit(user, action)
        assert status == 200, document


async def test_a_newcomer_registers_submits_and_is_seen_to_move_in_a_second_window(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    instance = await start()
    [ada] = add_users(database_url, 1, "ada")
    add_actions(database_url, {"first-win": 50, "treasure": 300})
    await grant(instance, ada, "first-win")
    window = await open_page(instance.url, viewport={"width": 900, "height": 700})
    page = await open_page(instance.url)
    await until_live(window)

    await register(page, "newcomer")
    await page.get_by_role("button", name="treasure").click()

    await expect(page.locator("#answer")).to_have_text("+300 points for treasure.")
    await expect(page.locator("#my-score")).to_have_text("300")
    await expect(page.locator("#my-rank")).to_have_text("1st")
    await expect(page.locator(".row.mine .name")).to_have_text("newcomer")
    await expect(page.get_by_role("button", name="treasure")).to_be_disabled()
    await expect(window.locator(".row:first-child .name")).to_have_text("newcomer")
    await expect(window.locator(".row:first-child .move")).to_have_text("NEW")
    await expect(window.locator(".row:nth-child(2) .move")).to_contain_text("1")
    await expect(window.locator("#spoken")).to_contain_text("newcomer is 1st with 300 points.")


async def test_a_log_in_outlasts_a_reload_and_a_log_out_reaches_all_tabs(
    start: Start, open_page: OpenPage, database_url: str, console: Console
) -> None:
    instance = await start()
    add_actions(database_url, {"run": 50})
    page = await open_page(instance.url)
    await register(page, "ada")
    await page.get_by_role("button", name="run").click()
    await expect(page.locator("#my-score")).to_have_text("50")
    second = await open_page(instance.url)
    for tab in (page, second):
        await tab.reload()
    for tab in (page, second):
        await expect(tab.locator("#me")).to_have_text("ada")
        await expect(tab.locator("#my-score")).to_have_text("50")

        await expect(tab.get_by_role("button", name="run")).to_be_disabled()

    console.expects_network_errors = True  # a 401
    await page.get_by_role("button", name="Log out").click()
    for tab in (page, second):
        await expect(tab.get_by_role("heading", name="Welcome back")).to_be_visible()
    assert await page.evaluate("localStorage.length") == 0

    await page.get_by_label("User name").fill("ada@example.org")
    await page.get_by_label("Password", exact=True).fill("not the password")
    await page.locator("#enter-button").click()
    await expect(page.locator("#answer")).to_contain_text("is wrong")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.locator("#enter-button").click()
    await expect(second.locator("#me")).to_have_text("ada")


async def test_what_the_server_refuses_is_said_at_the_field(
    instance: Instance, open_page: OpenPage, console: Console
) -> None:
    console.expects_network_errors = True
    page = await open_page(instance.url)
    await page.get_by_label("User name").fill("not a name")
    await page.get_by_label("E-mail").fill("a@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.locator("#enter-button").click()
    await expect(page.locator("#username-error")).to_contain_text("no spaces")
    await expect(page.get_by_label("User name")).to_be_focused()
    await expect(page.get_by_label("User name")).to_have_attribute("aria-invalid", "true")


async def test_on_a_small_screen_answers_are_seen_within_the_card(
    start: Start, open_page: OpenPage, database_url: str, console: Console
) -> None:
    console.expects_network_errors = True  # 409
    instance = await start()
    add_actions(database_url, {f"action-{n}": n for n in range(1, 30)})
    await register(await open_page(instance.url), "ada")
    page = await open_page(instance.url, viewport={"width": 360, "height": 480})
    answer = page.locator("#you #answer")
    await page.get_by_label("User name").fill("ada")
    await page.get_by_label("E-mail").fill("ada@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)

    await page.locator("#enter-button").click()
    await expect(answer).to_contain_text("taken already")
    await expect(answer).to_be_in_viewport()
    await page.get_by_role("button", name="Log in instead").click()
    await expect(answer).to_be_empty()
    await page.keyboard.press("Enter")  # name and password are there still
    await expect(page.locator("#me")).to_have_text("ada")
    await expect(answer).to_have_text("Welcome, ada.")
    await expect(answer).to_be_in_viewport()

    await page.get_by_role("button", name="action-29").click()
    await expect(answer).to_have_text("+29 points for action-29.")
    await expect(answer).to_be_in_viewport()


async def test_an_access_token_that_ran_out_is_renewed_without_a_word(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    instance = await start(access_token_seconds=11)  # a second longer than is kept in reserve
    add_actions(database_url, {"run": 50})
    page = await open_page(instance.url)
    await register(page, "ada")
    before = await page.evaluate("localStorage['scoreboard.session']")
    await page.wait_for_timeout(1100)
    await page.get_by_role("button", name="run").click()
    await expect(page.locator("#my-score")).to_have_text("50")
    assert await page.evaluate("localStorage['scoreboard.session']") != before


async def test_who_logs_out_while_a_token_is_renewed_stays_logged_out(
    instance: Instance, open_page: OpenPage, context: BrowserContext, console: Console
) -> None:
    console.expects_network_errors = True  # 403, for what waited for the token
    page = await open_page(instance.url)
    await register(page, "eve")
    renewed, may_answer = asyncio.Event(), asyncio.Event()

    async def answer_late(route: Route) -> None:
        answer = await route.fetch()
        renewed.set()
        await may_answer.wait()
        await route.fulfill(response=answer)

    await context.route("**/api/auth/refresh", answer_late)
    await page.reload()  # an access token does not outlast that
    await renewed.wait()
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    async with page.expect_response("**/api/auth/refresh"):
        may_answer.set()
    await page.get_by_label("User name").fill("eve")  # and the answer was taken by then
    await expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    assert await page.evaluate("localStorage.length") == 0


async def test_who_is_logged_in_sees_the_board_while_no_token_can_be_renewed(
    instance: Instance, open_page: OpenPage, context: BrowserContext, console: Console
) -> None:
    """As while PostgreSQL is away: strangers see it, too."""
    console.expects_network_errors = True
    page = await open_page(instance.url)
    await register(page, "mary")
    await context.route("**/api/auth/refresh", lambda route: route.fulfill(status=503, json={}))
    await page.reload()
    await until_live(page)
    await expect(page.locator("#me")).to_have_text("mary")


async def test_actions_that_cannot_be_read_are_said_so_in_our_words(
    instance: Instance, open_page: OpenPage, context: BrowserContext, console: Console
) -> None:
    console.expects_network_errors = True
    await context.route("**/api/actions?*", lambda route: route.abort())
    page = await open_page(instance.url)
    await register(page, "grace")
    await expect(page.locator("#answer")).to_have_text(
        "The actions cannot be read just now. Try again shortly."
    )


async def test_names_are_text_whatever_they_hold(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    instance = await start()
    users = add_users(database_url, 2)
    hostile = '<img src=x onerror="x=1">&amp;\u202e'
    sql(database_url, "UPDATE users SET username = %s WHERE user_id = %s", (hostile, users[0]))
    add_actions(database_url, {"run": 50})
    page = await open_page(instance.url)
    await until_live(page)
    await grant(instance, users[0], "run")
    await eventually(lambda: _has_names(page, [hostile]))
    text = await page.locator("#rows").inner_text() + await page.locator("body").inner_text()
    assert users[0] not in text
    assert "@example.org" not in text
    assert await page.locator("#rows img").count() == 0


async def _has_names(page: Page, wanted: list[str]) -> bool:
    return await names(page) == wanted


@pytest.mark.parametrize("language", ["en", "de", "ar"])
async def test_it_asks_nobody_else_and_stays_within_its_budget(
    instance: Instance, context: BrowserContext, open_page: OpenPage, language: str
) -> None:
    sizes: list[tuple[str, int]] = []
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = await open_page(f"{instance.url}/?lang={language}")
    await expect(page.locator(".state")).to_have_attribute("data-status", "live")
    for url in asked:
        assert url.startswith((instance.url, "data:")), url
        if "/api/" not in url:
            async with instance.client.get(url, headers={"Accept-Encoding": "gzip"}) as response:
                sizes.append((url, int(response.headers["Content-Length"])))
    assert len(sizes) >= 7
    assert sum(size for _, size in sizes) < BUDGET_BYTES, sizes


async def test_it_is_painted_before_any_script_has_run(
    instance: Instance, open_page: OpenPage, context: BrowserContext, console: Console
) -> None:
    console.expects_network_errors = True
    await context.route("**/*.js", lambda route: route.abort())
    page = await open_page(instance.url)
    await expect(page.get_by_role("heading", name="Top 10")).to_be_visible()
    rows = await page.locator(".room").bounding_box()
    without = await open_page(instance.url, java_script_enabled=False)
    await expect(without.get_by_role("link", name="read the top 10 as JSON")).to_be_visible()
    await expect(without.locator(".state")).to_be_hidden()
    await context.unroute("**/*.js")
    await page.reload()
    await until_live(page)
    assert await page.locator("#rows").bounding_box() == rows


async def test_it_is_painted_while_the_board_is_not_to_be_had(
    instance: Instance, open_page: OpenPage, context: BrowserContext, console: Console
) -> None:
    console.expects_network_errors = True
    await context.route("**/api/**", lambda route: route.abort())
    page = await open_page(instance.url)
    await expect(page.locator("#rows li")).to_have_count(10)
    await expect(page.get_by_role("heading", name="Top 10")).to_be_visible()
    before = await page.locator("#rows").bounding_box()
    await expect(page.locator("#state")).to_have_text("Offline")
    await expect(page.locator("#fresh")).to_have_text("cannot be reached; trying again")
    await context.unroute("**/api/**")
    await page.evaluate("scoreboard.refresh()")
    await until_live(page)
    assert await page.locator("#rows").bounding_box() == before


@pytest.mark.parametrize(
    ("named", "path", "state"),
    [
        (' board="weekly"', "/api/boards/weekly/leaderboard", "No such board"),
        ("", "/api/leaderboard", "Live"),
    ],
)
async def test_the_page_follows_the_board_that_its_html_names(
    instance: Instance,
    open_page: OpenPage,
    context: BrowserContext,
    console: Console,
    named: str,
    path: str,
    state: str,
) -> None:
    console.expects_network_errors = True
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))

    async def rename(route: Route) -> None:
        answer = await route.fetch()
        body = (await answer.text()).replace(' board="main"', named)
        await route.fulfill(response=answer, body=body)

    await context.route(f"{instance.url}/", rename)
    page = await open_page(f"{instance.url}/")
    await expect(page.locator("#state")).to_have_text(state)
    assert await names(page) == []
    of_boards = {url for url in asked if url.endswith("/leaderboard")}
    assert of_boards == {f"{instance.url}{path}"}


async def test_movement_is_animated_and_stands_still_for_who_wants_that(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    instance = await start()
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"one": 1, "two": 2, "ten": 10})
    await grant(instance, ada, "two")
    await grant(instance, bob, "one")
    moving = await open_page(instance.url, reduced_motion="no-preference")
    still = await open_page(instance.url, reduced_motion="reduce")
    note = """() => {
        window.animated = 0;
        const animate = Element.prototype.animate;
        Element.prototype.animate = function (...how) {
            window.animated += 1;
            return animate.apply(this, how);
        };
    }"""
    for page in (moving, still):
        await until_live(page)
        await page.evaluate(note)
    await grant(instance, bob, "ten")
    for page in (moving, still):
        await expect(page.locator(".row:first-child .name")).to_have_text("player1")
        await expect(page.locator(".row:first-child .move")).to_have_class("move up")
    assert await moving.evaluate("animated") == 2
    assert await still.evaluate("animated") == 0
    assert await still.evaluate("document.getAnimations().length") == 0


async def test_marks_say_what_moved_within_the_last_seconds_and_not_only_since_the_last_board(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    instance = await start()
    ada, bob, eve = add_users(database_url, 3)
    add_actions(database_url, {"one": 1, "two": 2, "ten": 10, "twenty": 20})
    await grant(instance, ada, "ten")
    await grant(instance, bob, "two")
    await grant(instance, eve, "one")
    page = await open_page(instance.url)
    await eventually(lambda: _has_names(page, ["player0", "player1", "player2"]))
    await grant(instance, eve, "two")
    await eventually(lambda: _has_names(page, ["player0", "player2", "player1"]))
    await grant(instance, eve, "twenty")
    await eventually(lambda: _has_names(page, ["player2", "player0", "player1"]))
    marks = page.locator(".row:not(.empty) .move")
    assert await marks.all_text_contents() == ["▲ up 2", "▼ down 1", "▼ down 1"]
    # And no more when they are past.
    await page.evaluate("(now => { Date.now = () => now() + 11_000; })(Date.now.bind(Date))")
    await grant(instance, eve, "ten")
    await expect(page.locator(".row:first-child .score")).to_have_text("33 points")
    assert await marks.all_text_contents() == ["", "", ""]


async def test_a_screen_in_a_hall_shows_the_board_alone_and_whole(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    instance = await start()
    users = add_users(database_url, 10)
    add_actions(database_url, {"run": 50})
    for user in users:
        await grant(instance, user, "run")
    page = await open_page(f"{instance.url}/#wall", viewport={"width": 1920, "height": 1080})
    await until_live(page)
    await expect(page.locator("#you")).to_be_hidden()
    for width, height in ((1920, 1080), (1024, 768), (3840, 2160), (1080, 1920)):
        await page.set_viewport_size({"width": width, "height": height})
        last = await page.locator(".row:last-child").bounding_box()
        assert last is not None
        assert height * 0.8 < last["y"] + last["height"] <= height
    await expect(page.locator(".join")).to_have_text(
        f"Play along at {instance.url.removeprefix('http://')}"
    )
    await page.keyboard.press("Escape")
    await expect(page.locator("#you")).to_be_visible()
    await page.reload()
    await expect(page.locator("#you")).to_be_visible()


@pytest.mark.parametrize("way_back", ["browser", "button"])
async def test_full_screen_is_entered_and_left(
    instance: Instance, open_page: OpenPage, way_back: str
) -> None:
    page = await open_page(instance.url, viewport={"width": 1280, "height": 800})
    await page.get_by_role("button", name="Full screen").click()
    await expect(page.locator("#you")).to_be_hidden()
    if way_back == "browser":
        await page.evaluate("document.exitFullscreen()")
    else:
        await expect(page.locator("#screen")).to_have_css("opacity", "0")
        await page.mouse.move(300, 300)
        await page.get_by_role("button", name="Leave full screen").click()
    await expect(page.locator("#you")).to_be_visible()
    assert not await page.evaluate("document.fullscreenElement")


async def test_a_wake_lock_that_comes_after_the_wall_was_left_is_given_back(
    instance: Instance, open_page: OpenPage
) -> None:
    page = await open_page(instance.url)
    held = "navigator.wakeLock.request = () => new Promise((resolve) => (window.give = resolve));"
    await page.evaluate(f"() => {{ {held} }}")
    await page.evaluate("location.hash = '#wall'")
    await expect(page.locator("#you")).to_be_hidden()
    await page.keyboard.press("Escape")
    await expect(page.locator("#you")).to_be_visible()

    await page.evaluate("give({ release: () => (window.released = true) })")

    await eventually(lambda: page.evaluate("window.released"))


async def test_nothing_is_wider_than_the_window(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    instance = await start()
    users = add_users(database_url, 3, "x" * 48)
    add_actions(database_url, {"a" * 100: 2_000_000_000})
    for user in users:
        await grant(instance, user, "a" * 100)
    page = await open_page(instance.url)
    await until_live(page)
    await register(page, "y" * 50)
    await page.get_by_role("button", name="aaaa").click()
    await expect(page.locator(".row.mine")).to_have_count(1)
    mine = page.locator(".row.mine .name")
    for width in (320, 768, 1280):
        await page.set_viewport_size({"width": width, "height": 700})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        # The name is cut, and what marks it as mine is not.
        assert await mine.evaluate("(name) => name.scrollWidth <= name.clientWidth")


async def test_axe_finds_nothing(start: Start, open_page: OpenPage, database_url: str) -> None:
    instance = await start()
    users = add_users(database_url, 4)
    add_actions(database_url, {f"action-{n}": n for n in range(1, 30)})
    # Animated rows are half transparent for a moment, which counts as low contrast.
    page = await open_page(instance.url, reduced_motion="reduce")
    await until_live(page)
    for n, user in enumerate(users):
        await grant(instance, user, *(f"action-{m}" for m in range(1, n + 2)))
    assert await violations(page) == []
    await register(page, "ada")
    await page.get_by_role("button", name="action-29").click()
    await expect(page.locator(".row.mine")).to_have_count(1)
    assert await violations(page) == []
    await page.goto(f"{instance.url}/#wall")
    assert await violations(page) == []


async def test_all_of_it_can_be_done_from_the_keyboard(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    instance = await start()
    add_actions(database_url, {"run": 50})
    page = await open_page(instance.url)
    await until_live(page)
    keys = page.keyboard
    await keys.press("Tab")
    await expect(page.get_by_text("Skip to your account")).to_be_focused()
    await keys.press("Enter")
    await keys.press("Tab")  # Register
    await keys.press("Tab")  # Log in
    for text in ("ada", "ada@example.org", PASSWORD):
        await keys.press("Tab")
        await keys.type(text)
    await keys.press("Enter")
    await expect(page.locator("#me")).to_have_text("ada")
    await page.get_by_role("button", name="run").wait_for()
    await expect(page.locator("#you")).to_be_focused()
    for _ in range(4):  # log out, filter, the list, its first action
        await keys.press("Tab")
    await expect(page.get_by_role("button", name="run")).to_be_focused()
    await keys.press("Enter")
    await expect(page.locator("#my-score")).to_have_text("50")


async def test_a_catalogue_of_several_pages_is_shown_page_by_page_and_sifted(
    start: Start, open_page: OpenPage, database_url: str
) -> None:
    sql(
        database_url,
        "INSERT INTO actions (action_id, points) "
        "SELECT 'action-' || lpad(n::text, 4, '0'), n FROM generate_series(1, 1050) AS n",
    )
    page = await open_page((await start()).url)
    await register(page, "ada")
    await expect(page.locator(".action")).to_have_count(1000)
    await page.get_by_role("button", name="Show more").click()
    await expect(page.locator(".action")).to_have_count(1050)
    await expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    await page.get_by_label("Find an action").fill("-024")
    visible = page.locator(".action:visible")
    await expect(visible).to_have_count(10)
    assert re.match(r"action-0249\s+\+249", await visible.first.inner_text())


async def test_where_reading_needs_a_token_a_log_in_opens_the_board(
    start: Start, open_page: OpenPage, database_url: str, console: Console
) -> None:
    console.expects_network_errors = True  # 403
    instance = await start(require_token_to_read=True)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    await grant(instance, user, "run")
    page = await open_page(instance.url)
    await expect(page.locator("#state")).to_have_text("Log-in needed")
    await register(page, "ada")
    await until_live(page)
    await eventually(lambda: _has_names(page, ["player0"]))
