"""Where a browser denies what the page would like to have: locks, storage, channels. Each is asked
for once, and then everything goes on without it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.chromium import ARGUMENTS, provide_whole_chromium
from tests.browser.conftest import PATIENCE_MS, Console, OpenPage
from tests.browser.fake_server import FakeServer
from tests.browser.test_client import LOOK, Follow, follow, until, until_version
from tests.browser.test_page import grant, names, register, until_live
from tests.eventually import eventually
from tests.instances import Start
from tests.world import add_actions, add_users, grants, sql

__all__ = ["follow"]

# Every request for a lock, from the beginning of the page.
COUNT = """
window.asked = [];
const request = LockManager.prototype.request;
LockManager.prototype.request = function (name, ...rest) {
    window.asked.push(name.split(":")[0]);
    return request.call(this, name, ...rest);
};
"""
EMBED = """(source) => {
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    frame.srcdoc = source;
    document.body.append(frame);
}"""
EMBEDDED = """<script>%s</script><script type="module">
    import { ScoreboardClient } from "%s/client/v1/scoreboard-client.js";
    window.client = new ScoreboardClient({ url: "%s/api/leaderboard" }).start();
</script>"""


@pytest_asyncio.fixture(loop_scope="session")
async def without_cookies(browser: Browser, tmp_path: Path) -> AsyncIterator[BrowserContext]:
    """The browser of somebody who blocks all cookies in its settings: that denies storage and locks
    as well.
    """
    preferences = tmp_path / "Default" / "Preferences"
    preferences.parent.mkdir()
    blocked = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    preferences.write_text(json.dumps(blocked))
    context = await browser.browser_type.launch_persistent_context(
        tmp_path, executable_path=provide_whole_chromium(), args=ARGUMENTS, color_scheme="light"
    )
    yield context
    await context.close()


async def test_with_cookies_blocked_people_log_in_submit_and_see_the_board_live(
    start: Start, without_cookies: BrowserContext, console: Console, database_url: str
) -> None:
    instance = await start(access_token_seconds=11)  # a second longer than is kept in reserve
    [bob] = add_users(database_url, 1, "bob")
    add_actions(database_url, {"run": 50, "jump": 70})
    await without_cookies.add_init_script(COUNT)
    tabs = [await without_cookies.new_page() for _ in range(2)]
    for tab in tabs:
        tab.set_default_timeout(PATIENCE_MS)
        console.listen(tab)
        await tab.goto(instance.url)
        await until_live(tab)
        assert await denies(tab, "localStorage")
    page, other = tabs

    await register(page, "ada")
    await page.wait_for_timeout(1100)  # until the access token is to be renewed
    await page.get_by_role("button", name="run").click()
    await expect(page.locator("#my-score")).to_have_text("50")
    await page.wait_for_timeout(1100)
    await page.get_by_role("button", name="jump").click()
    await expect(page.locator("#my-score")).to_have_text("120")
    await grant(instance, bob, "jump")

    for tab in tabs:
        await expect(tab.locator(".row:nth-child(2) .name")).to_have_text("bob0")
        assert await names(tab) == ["ada", "bob0"]
        assert await tab.evaluate("scoreboard.state.status") == "live"
    asked = ["scoreboard", "scoreboard-me", "scoreboard.refresh"]
    assert await page.evaluate("asked") == asked
    assert await other.evaluate("asked") == ["scoreboard"]
    assert len(grants(database_url)) == 3
    [(renewed,)] = sql(database_url, "SELECT count(*) > 1 FROM refresh_tokens")
    assert renewed
    assert console.complaints == []


async def denies(page: Page, name: str) -> bool:
    return bool(await page.evaluate(f"() => {{ try {{ {name} }} catch {{ return true }} }}"))


async def test_in_a_sandboxed_frame_the_client_is_live_and_asks_for_one_lock(
    start: Start, fake: FakeServer, open_page: OpenPage, database_url: str
) -> None:
    instance = await start(allowed_origins=["*"])
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    page = await open_page(fake.url)
    await page.evaluate(EMBED, EMBEDDED % (COUNT, instance.url, instance.url))
    await eventually(lambda: len(page.frames) == 2)
    frame = page.frames[1]

    async def shows(version: int) -> bool:
        return bool(await frame.evaluate("window.client?.board?.version") == version)

    await eventually(lambda: shows(1))
    await grant(instance, user, "run")
    await eventually(lambda: shows(2))
    await frame.evaluate("client.stop(), client.start()")
    await eventually(lambda: frame.evaluate("client.state.status === 'live'"))
    assert await frame.evaluate("[client.state.leads, asked]") == [True, ["scoreboard"]]


DENIALS = {
    "locks refused": "LockManager.prototype.request = async () => { asked += 1; throw denied; };",
    "locks refused at once": "LockManager.prototype.request = () => { asked += 1; throw denied; };",
    "locks that throw": "Object.defineProperty(navigator, 'locks', "
    "{ get() { asked += 1; throw denied; } });",
    "locks aborted": "LockManager.prototype.request = async () => "
    "{ asked += 1; throw new DOMException('', 'AbortError'); };",
    "channels that throw": "BroadcastChannel = function () { asked += 1; throw denied; };",
    "channels that take nothing": "BroadcastChannel.prototype.postMessage = () => "
    "{ asked += 1; throw denied; };",
}


@pytest.mark.parametrize("denial", DENIALS)
async def test_what_is_denied_is_asked_for_once_and_the_tab_goes_on_alone(
    fake: FakeServer, follow: Follow, denial: str
) -> None:
    """It asked again without end, in a loop that left no turn to anything else on the page."""
    before = f"""() => {{
        window.asked = 0;
        const denied = new DOMException("denied", "SecurityError");
        {DENIALS[denial]}
    }}"""
    page = await follow(shareTabs=True, before=before)
    await until(page, "live")
    await fake.push_board(2)
    await until_version(page, 2)
    await page.evaluate(LOOK, "hidden")
    await fake.until_open(0)
    await page.evaluate(LOOK, "visible")
    await until(page, "live")
    await page.evaluate("client.stop(), client.start()")
    await until(page, "live")
    assert await page.evaluate("asked") == 1


async def test_a_lock_that_is_never_given_is_given_up(fake: FakeServer, follow: Follow) -> None:
    """Not even to one who takes it: then there is nobody to wait for."""
    before = """() => {
        window.asked = 0;
        LockManager.prototype.request = () => { asked += 1; return new Promise(() => {}); };
    }"""
    page = await follow(shareTabs=True, pulseSeconds=0.5, before=before)
    await until_version(page, 1)  # asked for once meanwhile
    await until(page, "live", within_seconds=20)
    assert await page.evaluate("asked") == 2


# What the page does after a reload, with less patience: get an access token.
RENEW = """async () => {
    const client = document.querySelector("link[href*='/scoreboard-client.']");
    const { Session } = await import(client.href);
    return await new Session({ lockSeconds: 0.3 }).token();
}"""


async def test_a_log_in_outlasts_a_reload_where_locks_are_never_given(
    start: Start, open_page: OpenPage, context: BrowserContext
) -> None:
    """The page waited for the lock, and the user for the page, without end."""
    instance = await start()
    page = await open_page(instance.url)
    await register(page, "ada")
    await context.add_init_script(
        "LockManager.prototype.request = (name, { signal }) => new Promise((_, refuse) => "
        "signal?.addEventListener('abort', () => refuse(signal.reason)))"
    )
    await page.reload()
    token = await asyncio.wait_for(page.evaluate(RENEW), PATIENCE_MS / 1000)
    assert token is not None
    assert instance.metric("refresh_reuse_total") == 0


STORAGE_DENIALS = {
    "no room": "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceeded') }",
    "kept by nobody": "Storage.prototype.setItem = () => {}",
    "closed later": "Object.defineProperty(window, 'localStorage', "
    "{ configurable: true, get() { throw new DOMException('', 'SecurityError') } })",
}


@pytest.mark.parametrize("denial", STORAGE_DENIALS)
async def test_a_storage_that_fails_in_the_middle_of_a_log_in_ends_nothing(
    start: Start, open_page: OpenPage, context: BrowserContext, database_url: str, denial: str
) -> None:
    instance = await start(access_token_seconds=11)
    add_actions(database_url, {"run": 50, "jump": 70})
    await context.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"
    )
    page = await open_page(instance.url)
    await register(page, "ada")

    await page.evaluate(f"() => {{ {STORAGE_DENIALS[denial]} }}")
    for action, score in (("run", "50"), ("jump", "120")):
        await page.wait_for_timeout(1100)
        await page.get_by_role("button", name=action).click()
        await expect(page.locator("#my-score")).to_have_text(score)
    assert instance.metric("refresh_reuse_total") == 0
