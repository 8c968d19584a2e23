"""Log-ins on the page by a certified identity provider that others wrote, and the profile."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import Console, OpenPage
from tests.browser.test_page import PASSWORD, register, until_live
from tests.certified_provider import INSTALL_SECONDS, installed_in, running
from tests.instances import Instance, Start
from tests.world import add_actions, sql

PATH = "/api/login/certified"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with installed_in(tmp_path_factory.mktemp("oidc_provider")) as directory:
        yield directory


@pytest.fixture
def port() -> int:
    """Free, and known before the instance starts: the provider is told where it is."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest_asyncio.fixture(loop_scope="session")
async def issuer(installed: Path, port: int) -> AsyncIterator[str]:
    async with running(installed, f"http://127.0.0.1:{port}{PATH}/callback") as name:
        yield name


async def begin(start: Start, issuer: str, port: int, accounts: str = "off") -> Instance:
    provider = {
        "audience": "scoreboard",
        "client_id": "page",
        "client_secret": "a secret/of the page",
        "name": "certified",
        "title": "Certified & Co",
    }
    return await start(
        oidc_issuers={issuer: provider},
        public_url=f"http://127.0.0.1:{port}",
        port=port,
        accounts=accounts,
    )


async def log_in(page: Page, name: str) -> None:
    """At the provider, as somebody whom it has not seen yet in this browser."""
    await page.get_by_role("link", name="Log in with Certified & Co").click()
    await page.get_by_placeholder("Enter any login").fill(name)
    await page.get_by_placeholder("and password").fill("any")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()


@pytest.mark.timeout(INSTALL_SECONDS + 120)
async def test_who_logs_in_at_a_provider_plays_stays_comes_back_and_goes_for_good(
    start: Start,
    open_page: OpenPage,
    console: Console,
    database_url: str,
    issuer: str,
    port: int,
) -> None:
    console.expects_network_errors = True  # fonts that the provider's pages would like, and 403
    instance = await begin(start, issuer, port)
    add_actions(database_url, {"run": 50})
    page = await open_page(f"{instance.url}/?season=1")
    await until_live(page)
    await expect(page.get_by_role("link", name="Log in with Certified & Co")).to_be_visible()
    await expect(page.locator("#enter")).to_be_hidden()
    assert await violations(page) == []
    await log_in(page, "ada")
    await expect(page.locator("#me")).to_have_text("ada")
    await expect(page.locator("#answer")).to_have_text("Welcome, ada.")
    assert page.url == f"{instance.url}/?season=1"  # nothing of the log-in is in it
    kept = {each.get("name") for each in await page.context.cookies(instance.url)}
    assert "scoreboard-login" not in kept
    await page.get_by_role("button", name="run").click()
    await expect(page.locator("#my-score")).to_have_text("50")

    await page.reload()
    await expect(page.locator("#me")).to_have_text("ada")
    await expect(page.locator("#my-score")).to_have_text("50")  # by a token that was refreshed
    await page.get_by_role("button", name="Log out", exact=True).click()
    await expect(page.get_by_role("link", name="Log in with Certified & Co")).to_be_visible()
    # The provider knows this browser still, and asks nothing.
    await page.get_by_role("link", name="Log in with Certified & Co").click()
    await expect(page.locator("#me")).to_have_text("ada")
    await expect(page.locator("#my-score")).to_have_text("50")
    assert sql(database_url, "SELECT count(*) FROM users") == [(1,)]

    # A log-in that is no longer fresh does not delete anybody.
    sql(database_url, "UPDATE refresh_families SET created_at = now() - interval '1 hour'")
    await page.reload()
    await open_profile(page)
    dialog = page.get_by_role("dialog", name="ada")
    await dialog.get_by_role("button", name="Delete my account").click()
    await dialog.get_by_role("button", name="Delete it for good").click()
    await expect(dialog.get_by_text("show once more who you are")).to_be_focused()
    assert await violations(page) == []
    await dialog.get_by_role("link", name="Log in with Certified & Co").click()
    await page.get_by_placeholder("Enter any login").fill("ada")
    await page.get_by_placeholder("and password").fill("any")
    await page.get_by_role("button", name="Sign-in").click()
    await expect(page.locator("#answer")).to_have_text("Welcome, ada.")
    await open_profile(page)
    await dialog.get_by_role("button", name="Delete my account").click()
    await dialog.get_by_role("button", name="Delete it for good").click()
    await expect(page.locator("#answer")).to_have_text("Your account is deleted.")
    await expect(page.locator("#stranger")).to_be_visible()
    assert sql(database_url, "SELECT count(*) FROM users WHERE username = 'ada'") == [(0,)]


async def test_who_has_no_password_is_offered_no_change_of_it(
    start: Start, open_page: OpenPage, console: Console, issuer: str, port: int
) -> None:
    console.expects_network_errors = True  # fonts that the provider's pages would like
    instance = await begin(start, issuer, port, "on")
    page = await open_page(instance.url)
    await log_in(page, "ada")
    await page.get_by_text("Password and log-ins").click()
    await expect(page.get_by_role("button", name="Profile and data")).to_be_visible()
    await expect(page.locator("#change")).to_be_hidden()


async def test_a_log_in_that_came_to_nothing_says_what_to_do(
    instance: Instance, open_page: OpenPage, console: Console
) -> None:
    console.expects_network_errors = True  # 401
    page = await open_page("about:blank")
    for outcome, words in {
        "denied": "You were not logged in",
        "expired": "not begun in this browser",
        "refused": "cannot be used",
        "unavailable": "Try again in a minute",
        "banned": "is banned",
        "unknown": "was deleted",
        "limited": "Wait a minute",
        "__proto__": "cannot be used",
        "done": "not begun in this browser",  # a link of somebody else
    }.items():
        await page.goto(f"{instance.url}/#login={outcome}")
        await expect(page.locator("#answer")).to_contain_text(words)
        assert "#" not in page.url  # a reload says nothing
        await page.goto("about:blank")


async def test_the_profile_gives_and_deletes_what_is_kept(
    start: Start, open_page: OpenPage, console: Console, database_url: str
) -> None:
    console.expects_network_errors = True  # 400 and 401
    instance = await start()
    page = await open_page(instance.url)
    await register(page, "ada")
    await open_profile(page)
    dialog = page.get_by_role("dialog", name="ada")
    await expect(dialog.get_by_text("Here since")).to_be_visible()
    assert await violations(page) == []
    async with page.expect_download() as download:
        await dialog.get_by_role("button", name="Download my data").click()
    path = await (await download.value).path()
    assert json.loads(path.read_text())["account"]["username"] == "ada"
    await expect(dialog.get_by_role("status")).to_contain_text("in your downloads")

    # From the keyboard: ask, think again, close, and the focus is where it was.
    await dialog.get_by_role("button", name="Delete my account").press("Enter")
    await expect(dialog.get_by_text("go for good")).to_be_focused()
    await dialog.get_by_role("button", name="Keep it").press("Enter")
    await expect(dialog.get_by_role("button", name="Delete my account")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_role("button", name="Profile and data")).to_be_focused()

    await page.keyboard.press("Enter")
    await dialog.get_by_role("button", name="Delete my account").click()
    field = dialog.get_by_label("Your password")
    await expect(field).to_be_hidden()
    await dialog.get_by_role("button", name="Delete it for good").click()
    await expect(field).to_be_focused()
    await field.fill("not the password")
    await field.press("Enter")
    await expect(dialog.locator("#confirm-error")).to_contain_text("wrong")
    assert await violations(page) == []
    await field.fill(PASSWORD)
    await field.press("Enter")
    await expect(page.locator("#answer")).to_have_text("Your account is deleted.")
    assert sql(database_url, "SELECT count(*) FROM users WHERE username = 'ada'") == [(0,)]


async def open_profile(page: Page) -> None:
    await page.get_by_text("Password and log-ins").click()
    await page.get_by_role("button", name="Profile and data").click()
