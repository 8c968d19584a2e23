"""The npm package in apps that vite has built, in workers, and where a browser denies things."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import Console, OpenPage
from tests.browser.fake_server import PAGE, FakeServer
from tests.browser.test_page import grant
from tests.eventually import eventually
from tests.instances import Start
from tests.packed import Packed, packed
from tests.world import add_actions, add_users

__all__ = ["packed"]


class AppServer(FakeServer):
    """Serves what vite has built as well, as a host of static files does: to frames without an
    origin, too.
    """

    def __init__(self, built: Path) -> None:
        super().__init__()
        self._built = built

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/app/{path:.*}", self._file)

    async def _file(self, request: web.Request) -> web.FileResponse:
        path = self._built / (request.match_info["path"] or "index.html")
        return web.FileResponse(path, headers={"Access-Control-Allow-Origin": "*"})


@pytest_asyncio.fixture(loop_scope="session", params=["react", "vue"])
async def app(packed: Packed, request: pytest.FixtureRequest) -> AsyncIterator[AppServer]:
    built = await packed.build(request.param, "vite.config.js")
    async with AppServer(built) as server:
        yield server


async def test_an_app_shows_the_board_of_another_origin_live(
    start: Start, app: AppServer, open_page: OpenPage, database_url: str
) -> None:
    instance = await start(allowed_origins=[app.url.rstrip("/")])
    [ada] = add_users(database_url, 1, "ada")
    add_actions(database_url, {"run": 50, "jump": 70})
    page = await open_page(f"{app.url}app/?url={instance.url}")
    await expect(page.get_by_role("status")).to_have_text("live")
    await expect(page.get_by_role("heading")).to_have_text("main")
    for action, score in (("run", 50), ("jump", 120)):
        await grant(instance, ada, action)
        await expect(page.get_by_role("listitem")).to_have_text([f"ada0 {score}"])


async def test_other_options_are_another_client_and_what_is_closed_holds_no_stream(
    app: AppServer, open_page: OpenPage
) -> None:
    """In React's strict mode, too, which begins and ends everything twice."""
    page = await open_page(f"{app.url}app/")
    await expect(page.get_by_role("status")).to_have_text("live")
    await app.until_open(1)
    client = await page.evaluate_handle("window.client")

    await page.get_by_role("button", name=re.compile("Render")).click()  # with another getToken
    await expect(page.get_by_role("button", name="Render 1")).to_be_visible()
    assert await client.evaluate("(client) => client === window.client")

    await page.get_by_role("button", name="Weekly").click()
    await expect(page.get_by_role("heading")).to_have_text("weekly")
    assert await client.evaluate("(client) => client.state.status") == "idle"
    await app.until_open(1)
    assert app.streams[-1].path == "/api/boards/weekly/stream"

    await page.get_by_role("button", name="Open or close").click()
    await app.until_open(0)
    await page.get_by_role("button", name="Open or close").click()
    await app.until_open(1)
    await app.push_board(7, "ada")
    await expect(page.get_by_role("status")).to_have_text("live")


async def test_an_app_has_the_element_as_any_other_one(
    start: Start, app: AppServer, open_page: OpenPage, console: Console, database_url: str
) -> None:
    """Without a wrapper; its attributes follow the state of the app."""
    console.expects_network_errors = True  # there is no such board as `weekly`
    instance = await start(allowed_origins=[app.url.rstrip("/")])
    ada, bob = add_users(database_url, 2, "ada")
    add_actions(database_url, {"run": 50, "jump": 70})
    await grant(instance, ada, "run")
    page = await open_page(f"{app.url}app/?url={instance.url}")
    await page.get_by_role("button", name="Element").click()
    element = page.locator("live-scoreboard")
    await expect(element.get_by_text("ada0")).to_be_visible()
    await grant(instance, bob, "jump")
    await expect(element.get_by_text("ada1")).to_be_visible()
    await expect(element.get_by_text("ada0")).to_be_hidden()  # one row was wanted
    await expect(element.get_by_text("70 Punkte")).to_be_attached()
    await page.get_by_role("button", name="Weekly").click()
    await eventually(lambda: element.evaluate("(element) => element.board === 'weekly'"))
    await expect(element.get_by_text("ada1")).to_be_hidden()


FRAME = """(address) => {
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    frame.src = address;
    document.body.append(frame);
}"""


async def test_an_app_in_a_sandboxed_frame_is_live_without_storage_locks_and_channels(
    start: Start, app: AppServer, open_page: OpenPage, database_url: str
) -> None:
    instance = await start(allowed_origins=["*"])
    [ada] = add_users(database_url, 1, "ada")
    add_actions(database_url, {"run": 50})
    page = await open_page(app.url)
    await page.evaluate(FRAME, f"{app.url}app/?url={instance.url}")
    frame = page.frame_locator("iframe")
    await expect(frame.get_by_role("status")).to_have_text("live")
    await grant(instance, ada, "run")
    await expect(frame.get_by_role("listitem")).to_have_text(["ada0 50"])
    denied = "() => { try { return !localStorage } catch { return true } }"
    assert await page.frames[1].evaluate(denied)


# A worker that follows a board, and says who is logged in as far as it can know.
WORKER = """
import { ScoreboardClient, Session } from "/client.js";
const session = new Session();
const client = new ScoreboardClient({ url: "api/leaderboard" });
const tell = (port) => {
    const say = () => port.postMessage(
        [client.state.status, client.board?.version, session.user, typeof document]);
    client.addEventListener("board", say);
    client.addEventListener("state", say);
    say();
    client.start();
};
if (self.postMessage) tell(self);
else addEventListener("connect", ({ ports: [port] }) => tell(port));
"""
BEGIN = {
    "worker": 'window.port = new Worker("/worker.js", { type: "module" });',
    "shared worker": 'window.port = new SharedWorker("/worker.js", { type: "module" }).port;',
}
HEAR = "port.onmessage = ({ data }) => (window.heard = data)"


class WorkerServer(FakeServer):
    """Serves the worker's script."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/worker.js", self._worker)

    async def _worker(self, _: web.Request) -> web.Response:
        return web.Response(text=WORKER, content_type="text/javascript")


@pytest_asyncio.fixture(loop_scope="session")
async def works() -> AsyncIterator[WorkerServer]:
    async with WorkerServer() as server:
        yield server


async def hears(page: Page, status: str, version: int) -> None:
    async def has_heard() -> bool:
        heard = await page.evaluate("window.heard")
        return bool(heard == [status, version, None, "undefined"])

    await eventually(has_heard, message=f"{status} {version}")


@pytest.mark.parametrize("kind", BEGIN)
async def test_a_worker_follows_the_board_and_comes_back_after_a_cut(
    works: WorkerServer, open_page: OpenPage, console: Console, kind: str
) -> None:
    console.expects_network_errors = True
    page = await open_page(works.url)
    await page.evaluate(f"() => {{ {BEGIN[kind]} {HEAR} }}")
    await hears(page, "live", 1)
    await works.push_board(2)
    await hears(page, "live", 2)
    works.cut()
    works.version = 3
    await hears(page, "live", 3)


async def test_tabs_and_their_shared_worker_have_one_stream(
    works: WorkerServer, open_page: OpenPage
) -> None:
    pages = [await open_page(works.url) for _ in range(2)]
    for page in pages:
        await page.evaluate(f"() => {{ {BEGIN['shared worker']} {HEAR} }}")
        await hears(page, "live", 1)
    await page.evaluate(
        """async () => {
            const { ScoreboardClient } = await import("/client.js");
            window.client = new ScoreboardClient({ url: "/api/leaderboard" }).start();
        }"""
    )
    await eventually(lambda: page.evaluate("client.state.status === 'live'"))
    await works.push_board(2)
    await eventually(lambda: page.evaluate("client.board.version === 2"))
    for page in pages:
        await hears(page, "live", 2)
    assert len(works.streams) == 1


DENY = """(names) => {
    const places = { locks: Navigator.prototype };
    for (const name of names) {
        const refuse = () => { throw new DOMException(name, "SecurityError"); };
        const isValue = name === "localStorage" || name === "locks";
        const how = isValue ? { get: refuse } : { value: function () { refuse(); } };
        Object.defineProperty(places[name] ?? window, name, how);
    }
}"""
DENIED = ("localStorage", "locks", "BroadcastChannel", "Worker", "SharedWorker")
LOG_IN = """async () => {
    const { Actions, Session, ScoreboardClient } = await import("/client/v1/scoreboard-client.js");
    window.session = new Session({ url: "/" });
    window.heard = [];
    session.addEventListener("change", () => heard.push(session.user?.username));
    const getToken = (rejected) => session.token(rejected);
    window.client = new ScoreboardClient({ getToken }).start();
    const password = "correct horse battery";
    await session.enter("register", { username: "ada", email: "ada@example.org", password });
    const actions = new Actions({ session });
    return [(await actions.submit("run")).score, await session.token() !== null];
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def own_page(
    start: Start, open_page: OpenPage, context: BrowserContext, database_url: str
) -> Page:
    """A page on the origin of an instance that somebody else has written."""
    instance = await start()
    add_actions(database_url, {"run": 50})
    await context.route(
        "**/own.html", lambda route: route.fulfill(body=PAGE, content_type="text/html")
    )
    return await open_page(f"{instance.url}/own.html")


@pytest.mark.parametrize("denied", [*([name] for name in DENIED), DENIED], ids="+".join)
async def test_what_is_denied_keeps_nobody_from_the_board_or_from_submitting(
    own_page: Page, denied: Sequence[str]
) -> None:
    page = own_page
    await page.evaluate(DENY, list(denied))
    assert await page.evaluate(LOG_IN) == [50, True]
    await eventually(lambda: page.evaluate("client.state.status === 'live'"))
    await eventually(lambda: page.evaluate("client.board?.entries[0]?.username === 'ada'"))
    assert await page.evaluate("heard") == ["ada"]


async def test_an_upgrade_logs_nobody_out(own_page: Page) -> None:
    """The log-in of the page's own service is where earlier releases had it, by whatever address
    it is named.
    """
    page = own_page
    await page.evaluate(LOG_IN)
    assert await page.evaluate("Object.keys(localStorage)") == ["scoreboard.session"]
    users = """async (urls) => {
        const { Session } = await import("/client/v1/scoreboard-client.js");
        return urls.map((url) => new Session({ url }).user?.username ?? null);
    }"""
    other = "https://scores.example.org"
    own = ["/", "/api/leaderboard", page.url.removesuffix("/own.html")]
    others = [other, f"{other}/api/leaderboard", "/game/"]
    assert await page.evaluate(users, own + others) == ["ada", "ada", "ada", None, None, None]
