"""The account on the page: the password, log-ins elsewhere, tabs that renew at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Response, Route, expect

from tests.browser.axe import violations
from tests.browser.conftest import Console, OpenPage
from tests.browser.test_page import PASSWORD, register, until_live
from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.world import add_actions, grants, sql

OTHER_PASSWORD = "lantern over quiet water"


async def log_in(page: Page, name: str, password: str) -> None:
    await page.get_by_role("button", name="Log in", exact=True).first.click()
    await page.get_by_label("User name").fill(name)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.locator("#enter-button").click()
    await expect(page.locator("#me")).to_have_text(name)


async def open_account(page: Page) -> None:
    """Open the forms, which are loaded then."""
    await page.get_by_text("Password and log-ins").click()
    await expect(page.locator("#change")).to_be_visible()


async def change_password(page: Page, current: str, new: str) -> None:
    if not await page.locator("#change").is_visible():
        await open_account(page)
    await page.get_by_label("Current password").fill(current)
    await page.get_by_label("New password").fill(new)
    await page.get_by_role("button", name="Change it").click()


async def test_a_password_is_changed_here_and_ends_the_log_ins_elsewhere(
    start: Start, open_page: OpenPage, database_url: str, console: Console
) -> None:
    console.expects_network_errors = True  # 401 and 403, elsewhere
    instance = await start()
    add_actions(database_url, {"run": 50, "jump": 70})
    page = await open_page(instance.url)
    await register(page, "ada")
    second = await open_page(instance.url)
    await expect(second.locator("#me")).to_have_text("ada")
    elsewhere = await open_page(instance.url, viewport={"width": 900, "height": 900})
    await log_in(elsewhere, "ada", PASSWORD)

    await change_password(page, PASSWORD, OTHER_PASSWORD)
    await expect(page.locator("#answer")).to_contain_text("The password is changed.")
    await expect(page.locator("#change")).to_be_hidden()

    # Both tabs of this browser go on, though the second had an access token from before.
    await second.get_by_role("button", name="run").click()
    await expect(second.locator("#my-score")).to_have_text("50")
    await page.get_by_role("button", name="jump").click()
    await expect(page.locator("#my-score")).to_have_text("120")
    # The other browser learns of it by the end of its personal stream, in words for people.
    await expect(elsewhere.get_by_role("heading", name="Welcome back")).to_be_visible()
    await expect(elsewhere.locator("#answer")).to_have_text("You are logged out.")
    await log_in(elsewhere, "ada", OTHER_PASSWORD)


async def test_a_log_in_goes_on_though_its_tokens_end_before_the_next_ones_come(
    start: Start, open_page: OpenPage, database_url: str, console: Console
) -> None:
    """The personal stream ends with the old password, and both tabs ask for tokens at once."""
    console.expects_network_errors = True  # 401
    instance = await start()
    add_actions(database_url, {"run": 50})
    page = await open_page(instance.url)
    await register(page, "ada")
    second = await open_page(instance.url)
    await expect(second.locator("#me")).to_have_text("ada")
    refused = asyncio.Event()

    def look(response: Response) -> None:
        if response.url.endswith("/api/auth/refresh") and response.status == 401:
            refused.set()

    async def hold_back(route: Route) -> None:
        answer = await route.fetch()
        await refused.wait()
        await route.fulfill(response=answer)

    for each in (page, second):
        each.on("response", look)
        await each.evaluate("seen = []")
        await each.evaluate(
            "new MutationObserver(() => seen.push(document.querySelector('#me').textContent))"
            ".observe(document.querySelector('#me'),"
            " {childList: true, characterData: true, subtree: true})"
        )
    await page.route("**/api/auth/password", hold_back)
    await change_password(page, PASSWORD, OTHER_PASSWORD)
    await expect(page.locator("#answer")).to_contain_text("The password is changed.")
    await second.get_by_role("button", name="run").click()
    await expect(second.locator("#my-score")).to_have_text("50")
    assert [await each.evaluate("seen") for each in (page, second)] == [[], []]


@pytest.mark.parametrize("what", ["a submission", "a change of password", "a log-out everywhere"])
async def test_what_one_user_asked_for_is_never_done_as_the_next_one(
    start: Start, open_page: OpenPage, database_url: str, console: Console, what: str
) -> None:
    """It is on its way when the log-in ends in another tab, where somebody else logs in."""
    console.expects_network_errors = True
    instance = await start()
    add_actions(database_url, {"run": 50})
    first = await open_page(instance.url)
    await register(first, "bob")
    await first.get_by_role("button", name="Log out", exact=True).click()
    await expect(first.locator("#stranger")).to_be_visible()
    await first.reload()
    await register(first, "ada")
    second = await open_page(instance.url)
    await expect(second.locator("#me")).to_have_text("ada")
    held, go = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        if route.request.method == "POST":
            held.set()
            await go.wait()
        await route.continue_()

    for path in ("actions", "auth/password", "auth/logout-all"):
        await first.route(f"**/api/{path}", hold)
    if what == "a submission":
        await first.get_by_role("button", name="run").click()
    elif what == "a change of password":
        await change_password(first, PASSWORD, OTHER_PASSWORD)
    else:
        await first.get_by_text("Password and log-ins").click()
        await first.get_by_role("button", name="Log out everywhere").click()
    await held.wait()
    await second.get_by_text("Password and log-ins").click()
    await second.get_by_role("button", name="Log out everywhere").click()
    await expect(second.locator("#stranger")).to_be_visible()
    await log_in(second, "bob", PASSWORD)
    await expect(first.locator("#me")).to_have_text("bob")
    go.set()

    await expect(first.locator("#answer")).to_have_text(
        "This was for somebody who is not logged in here any more."
    )
    await expect(first.locator("#me")).to_have_text("bob")
    assert grants(database_url) == []
    await second.reload()
    await expect(second.locator("#my-score")).to_have_text("0")
    async with instance.client.post(
        "/api/auth/login", json={"username": "bob", "password": PASSWORD}
    ) as response:
        assert response.status == 200


async def test_what_is_wrong_with_a_change_of_password_is_said_at_the_field(
    instance: Instance, open_page: OpenPage, console: Console
) -> None:
    console.expects_network_errors = True
    page = await open_page(instance.url)
    await register(page, "ada")
    await change_password(page, "not the password", OTHER_PASSWORD)
    await expect(page.locator("#current-error")).to_have_text("The current password is wrong.")
    await expect(page.get_by_label("Current password")).to_be_focused()
    await expect(page.get_by_label("Current password")).to_have_attribute("aria-invalid", "true")
    await change_password(page, PASSWORD, "password1")
    await expect(page.locator("#new-error")).to_contain_text("tried first")
    await expect(page.locator("#current-error")).to_be_empty()
    await change_password(page, PASSWORD, "ada 1815")
    await expect(page.locator("#new-error")).to_contain_text("at least 8 other characters")
    await page.get_by_role("button", name="Log out", exact=True).click()
    await log_in(page, "ada", PASSWORD)
    await expect(page.locator("#change")).to_be_hidden()


async def test_who_is_logged_in_stays_so_though_a_neighbour_floods(
    start: Start, open_page: OpenPage, console: Console
) -> None:
    """Renewed in time, it is a request of a user, which others behind that address cannot keep
    out.
    """
    console.expects_network_errors = True
    instance = await start(rate_limit_per_ip="60/hour")
    page = await open_page(instance.url)
    await register(page, "ada")
    await open_account(page)  # whose code is a file as any other: it may be asked for no more
    for _ in range(61):
        async with instance.client.get("/api/leaderboard") as response:
            pass
    assert response.status == 429
    renewals: list[Response] = []
    page.on("response", lambda one: renewals.append(one) if "refresh" in one.url else None)
    await page.evaluate("(now => { Date.now = () => now() + 895_000; })(Date.now)")
    await change_password(page, "not the password", OTHER_PASSWORD)
    await expect(page.locator("#current-error")).to_have_text("The current password is wrong.")
    assert [renewal.status for renewal in renewals] == [200]


async def test_a_log_out_everywhere_reaches_every_browser(
    start: Start, open_page: OpenPage, database_url: str, console: Console
) -> None:
    console.expects_network_errors = True
    instance = await start(require_token_to_read=True)
    add_actions(database_url, {"run": 50})
    page = await open_page(instance.url)
    await register(page, "ada")
    second = await open_page(instance.url)
    elsewhere = await open_page(instance.url, viewport={"width": 900, "height": 900})
    await log_in(elsewhere, "ada", PASSWORD)
    await until_live(elsewhere)

    await page.get_by_text("Password and log-ins").click()
    await page.get_by_role("button", name="Log out everywhere").click()
    for tab in (page, second, elsewhere):  # the last one because its stream ended
        await expect(tab.get_by_role("heading", name="Welcome back")).to_be_visible()
        await expect(tab.locator("#state")).to_have_text("Log-in needed")
    assert await page.evaluate("localStorage.length") == 0
    assert sql(database_url, "SELECT count(*) FROM refresh_families") == [(0,)]


async def test_axe_finds_nothing_where_the_password_is_changed(
    instance: Instance, open_page: OpenPage
) -> None:
    page = await open_page(instance.url, reduced_motion="reduce")
    await register(page, "mary")
    await open_account(page)
    assert await violations(page) == []


async def test_a_password_is_changed_from_the_keyboard(
    instance: Instance, open_page: OpenPage, console: Console
) -> None:
    console.expects_network_errors = True  # 401, where the stream's end overtakes the new tokens
    page = await open_page(instance.url)
    await register(page, "grace")
    await page.get_by_text("Password and log-ins").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#change")).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    for _ in range(2):  # past the button that shows it
        await page.keyboard.press("Tab")
    await page.keyboard.type(OTHER_PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#answer")).to_contain_text("The password is changed.")
    await expect(page.locator("#account summary")).to_be_focused()  # its form is out of sight


# Tabs


async def without_locks(context: BrowserContext) -> None:
    """As on plain HTTP, where browsers have none."""
    await context.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"
    )


async def test_tabs_without_locks_take_turns_to_renew_and_stay_logged_in(
    start: Start, open_page: OpenPage, context: BrowserContext
) -> None:
    """All at once, as after the computer has slept: a third use of one token would end it all.

    Two meet now and then, because on a busy machine a tab sees late what another one wrote.
    """
    await without_locks(context)
    instance = await start()
    first = await open_page(instance.url)
    await register(first, "ada")
    tabs = [first] + [await open_page(instance.url) for _ in range(3)]
    for tab in tabs:
        await expect(tab.locator("#my-score")).to_have_text("0")
    under_way = [0]
    all_there = asyncio.Event()

    async def take_time(route: Route) -> None:
        under_way.append(under_way[-1] + 1)
        await all_there.wait()
        await asyncio.sleep(0.3)  # as a line that is slow: the others come meanwhile
        await route.continue_()
        under_way.append(under_way[-1] - 1)

    await context.route("**/api/auth/refresh", take_time)
    # An access token does not outlast a reload.
    await asyncio.gather(*(tab.reload(wait_until="commit") for tab in tabs))
    for tab in tabs:
        await expect(tab.locator("#me")).to_have_text("ada")
    await first.wait_for_timeout(500)  # who takes no turns has asked by now
    all_there.set()
    for tab in tabs:
        await expect(tab.locator("#my-score")).to_have_text("0")
    assert len(under_way) == 9
    assert max(under_way) <= 2
    assert instance.metric("refresh_reuse_total") == 0
    assert await first.evaluate("Object.keys(localStorage)") == ["scoreboard.session"]


async def test_a_tab_that_was_closed_while_it_renewed_holds_up_no_other(
    instance: Instance, open_page: OpenPage, context: BrowserContext
) -> None:
    await without_locks(context)
    page = await open_page(instance.url)
    await register(page, "eve")
    for turn in ("`gone ${Date.now() - 14_000}`", "'nobody can read this'"):
        await page.evaluate(f"localStorage['scoreboard.turn'] = {turn}")
        await page.reload()
        await expect(page.locator("#my-score")).to_have_text("0")


async def test_an_answer_that_was_lost_logs_nobody_out(
    start: Start, open_page: OpenPage, context: BrowserContext, console: Console
) -> None:
    console.expects_network_errors = True
    instance = await start()
    page = await open_page(instance.url)
    await register(page, "ada")
    lost: list[Any] = []

    async def lose(route: Route) -> None:
        lost.append(await route.fetch())  # the server has given the successor away
        await route.abort()
        await context.unroute("**/api/auth/refresh")

    await context.route("**/api/auth/refresh", lose)
    await page.reload()
    await eventually(lambda: lost)
    await page.reload()
    await expect(page.locator("#my-score")).to_have_text("0")
    assert instance.metric("refresh_grace_total") == 1
    assert instance.metric("refresh_reuse_total") == 0
