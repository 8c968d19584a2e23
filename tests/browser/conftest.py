"""A real browser. What it complains about in its console fails the test, unless the test says that
it breaks something.

These tests share one loop, because a browser belongs to the loop that started it and takes a second
to start. Each has its own profile; a test that changes nothing in an instance, or only what belongs
to users of its own, shares one with its file (`instance`), any other starts its own (`start`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    async_playwright,
    expect,
)

from tests.browser.chromium import ARGUMENTS, ChromiumMissingError, provide_chromium
from tests.browser.fake_server import FakeServer
from tests.instances import PATIENCE, Instance, Start, starting_instances
from tests.operator import operator
from tests.world import add_actions

__all__ = ["operator"]

OpenPage = Callable[..., Awaitable[Page]]

# Of a machine that is busy with something else: a tab takes seconds there for what it does at once.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)

_CHROMIUM = pytest.StashKey[Path | str]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look for Chromium before the first test, whose timeout an installation would exceed."""
    asked = any("browser" in getattr(item, "fixturenames", ()) for item in session.items)
    if not asked or session.config.option.collectonly:
        return
    try:
        session.config.stash[_CHROMIUM] = provide_chromium()
    except ChromiumMissingError as missing:
        session.config.stash[_CHROMIUM] = str(missing)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run on the loop of the session, as the fixtures here do."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(request: pytest.FixtureRequest) -> AsyncIterator[Browser]:
    path = request.config.stash[_CHROMIUM]
    if isinstance(path, str):
        pytest.skip(path)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Tabs of one person: they share storage, locks and channels."""
    made = await browser.new_context(color_scheme="light")
    yield made
    await made.close()


class Console:
    """What pages said in their consoles. A test that breaks the line expects complaints of it."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.expects_network_errors = False

    def listen(self, page: Page) -> None:
        page.on("console", self._take)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))

    def _take(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if self.expects_network_errors and message.text.startswith("Failed to load resource"):
            return
        self.complaints.append(message.text)


@pytest.fixture
def console() -> Console:
    return Console()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(
    browser: Browser, context: BrowserContext, console: Console
) -> AsyncIterator[OpenPage]:
    """Open a page: a tab of `context`, or with keyword arguments the page of somebody else."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str, **options: Any) -> Page:
            own = context
            if options:
                own = await browser.new_context(**({"color_scheme": "light"} | options))
                stack.push_async_callback(own.close)
            page = await own.new_page()
            page.set_default_timeout(PATIENCE_MS)
            console.listen(page)
            await page.goto(url)
            return page

        yield open_one
    assert console.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def start(database_url: str, redis_url: str, amqp_url: str) -> AsyncIterator[Start]:
    """Start an instance, as tests/service does; keyword arguments are settings."""
    async with starting_instances(database_url, redis_url, amqp_url, **PATIENCE) as start_one:
        yield start_one


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def instance(
    shared_database_url: str, shared_redis_url: str, shared_amqp_url: str
) -> AsyncIterator[Instance]:
    """The instance that the tests of a file share, with an action `run`."""
    add_actions(shared_database_url, {"run": 50})
    async with starting_instances(
        shared_database_url, shared_redis_url, shared_amqp_url, **PATIENCE
    ) as start_one:
        yield await start_one()


@pytest_asyncio.fixture(loop_scope="session")
async def fake() -> AsyncIterator[FakeServer]:
    async with FakeServer() as server:
        yield server
