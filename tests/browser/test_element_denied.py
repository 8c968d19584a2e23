"""The element where a page's policy or a browser denies nearly everything."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import PATIENCE_MS, Console, OpenPage
from tests.browser.fake_server import FakeServer
from tests.browser.test_denied import denies, without_cookies
from tests.browser.test_element import shows
from tests.browser.test_page import grant
from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.world import add_actions, add_users

__all__ = ["without_cookies"]

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Theirs</title>
<script type="module" src="{url}/client/v1/live-scoreboard.js"></script>
<live-scoreboard lamp></live-scoreboard>"""


async def is_live(page: Page, instance: Instance, database_url: str) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    at = page.frames[-1]
    await expect(at.locator(".status")).to_have_text("Live")
    await grant(instance, user, "run")
    await expect(at.locator(".row:first-child .name")).to_have_text("player0")


async def test_the_strictest_policy_needs_no_exception_but_the_service(
    start: Start, fake: FakeServer, open_page: OpenPage, database_url: str
) -> None:
    """Of another origin, without styles of any kind, and with Trusted Types."""
    instance = await start(allowed_origins=[fake.url.rstrip("/")])
    fake.page = PAGE.format(url=instance.url)
    policy = (
        f"default-src 'none'; script-src {instance.url}; connect-src {instance.url}; "
        "base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    fake.page_headers = {"Content-Security-Policy": policy}
    page = await open_page(f"{fake.url}?strict")
    await is_live(page, instance, database_url)
    await expect(page.locator(".board")).to_have_css("border-radius", "17.6px")


async def test_in_a_sandboxed_frame_it_is_live(
    start: Start, fake: FakeServer, open_page: OpenPage, database_url: str
) -> None:
    """Without `allow-same-origin`: a frame of no origin, with no storage, locks or channels."""
    instance = await start(allowed_origins=["*"])
    page = await open_page(fake.url)
    await page.evaluate(
        """(source) => {
            const frame = document.createElement("iframe");
            frame.sandbox = "allow-scripts";
            frame.srcdoc = source;
            document.body.append(frame);
        }""",
        PAGE.format(url=instance.url),
    )
    await eventually(lambda: len(page.frames) == 2)
    await is_live(page, instance, database_url)
    assert await page.frames[-1].evaluate(
        "(() => { try { return !localStorage } catch { return true } })()"
    )


async def test_with_all_cookies_blocked_it_is_live(
    start: Start,
    fake: FakeServer,
    without_cookies: BrowserContext,
    console: Console,
    database_url: str,
) -> None:
    instance = await start(allowed_origins=[fake.url.rstrip("/")])
    fake.page = PAGE.format(url=instance.url).replace(
        "<title>", "<link rel=icon href=data:,><title>"
    )
    page = await without_cookies.new_page()
    page.set_default_timeout(PATIENCE_MS)
    console.listen(page)
    await page.goto(fake.url)
    assert await denies(page, "localStorage")
    await is_live(page, instance, database_url)
    assert console.complaints == []


DENIALS = {
    "no locks": "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined });",
    "no channels": "delete window.BroadcastChannel;",
    "channels that throw": "window.BroadcastChannel = function () { throw new Error('denied'); };",
    "no storage": "for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) "
    "Object.defineProperty(window, name, { get() { throw new Error('denied'); } });",
    "no workers": "delete window.Worker; delete window.SharedWorker;",
}


@pytest.mark.parametrize("denial", DENIALS)
async def test_what_a_browser_lacks_is_not_needed(
    fake: FakeServer, open_page: OpenPage, context: BrowserContext, denial: str
) -> None:
    await context.add_init_script(DENIALS[denial])
    main = {"boardId": "main", "title": "All time", "size": 10, "period": "none"}
    fake.lists["/api/boards/main"] = {"success": True, "data": main}
    fake.page = PAGE.format(url="").replace("<title>", "<link rel=icon href=data:,><title>")
    page = await open_page(fake.url)
    await expect(page.locator(".status")).to_have_text("Live")
    await fake.push_board(2, "bob")
    await shows(page, "bob")
