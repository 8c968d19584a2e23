"""Clients of browsers: modules of `browser` on a page of another origin, in Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, async_playwright
from playwright.async_api import Error as PageError

from tests.browser.chromium import ARGUMENTS, ChromiumMissingError, provide_whole_chromium
from tests.clients.client import HERE, SILENCE_SECONDS, Client, Heard, NotHereError, Told
from tests.clients.kinds import modules, npm_version

# The page of every client: an origin that `allowed_write_origins` can name beforehand.
PORT = 47_913
ORIGIN = f"http://127.0.0.1:{PORT}"
_NAMES = ["connected", "score:update", "me:place", "closing"]
_PAGE = "<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>A client</title>"
_FOLLOW = """async ([module, told]) => {
    const heard = (name, id) => console.log(`event ${name} ${id ?? ""}`);
    const gone = (why) => console.log(`gone ${why}`);
    const { default: follow } = await import(module);
    await follow({ ...told, heard, gone });
}"""


@dataclass(frozen=True, slots=True)
class BrowserClient(Client):
    """A client in Chromium; `package` is npm's, or none for what the browser brings."""

    package: str = ""
    module: str = ""

    @property
    def place(self) -> str:
        return "Browser"

    async def version(self) -> str:
        if self.package:
            return await npm_version(self.package)
        async with _chromium() as browser:
            return f"Chromium {browser.version.partition('.')[0]}"

    @asynccontextmanager
    async def following(self, told: Told) -> AsyncIterator[Heard]:
        heard = Heard()
        async with _serving(self.package), _chromium() as browser:
            page = await browser.new_page()
            page.on("console", lambda message: heard.take(message.text))
            page.on("pageerror", lambda error: heard.take(f"failed {error}"))
            await page.goto(ORIGIN)
            headers = {"Authorization": f"Bearer {told.token}"} if told.token else {}
            values: dict[str, Any] = {"url": told.url, "headers": headers, "names": _NAMES}
            values["silenceMs"] = int(1000 * SILENCE_SECONDS)
            try:
                await page.evaluate(_FOLLOW, [f"/browser/{self.module}.js", values])
            except PageError as failure:
                heard.take(f"failed {failure}")
            yield heard


@asynccontextmanager
async def _chromium() -> AsyncIterator[Browser]:
    try:
        path = await asyncio.to_thread(provide_whole_chromium)
    except ChromiumMissingError as missing:
        raise NotHereError(str(missing)) from missing
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def _serving(package: str) -> AsyncIterator[None]:
    """Serve the page, our modules and npm's; a module's import may leave out its `.js`."""
    folders = {"browser": HERE / "browser"}
    if package:
        folders["modules"] = await modules()

    async def file(request: web.Request) -> web.Response:
        path = Path(folders[request.match_info["folder"]], request.match_info["path"])
        return web.Response(body=_script(path), content_type="text/javascript")

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/{folder:browser|modules}/{path:.*}", file)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", PORT).start()
        yield
    finally:
        await runner.cleanup()


def _script(path: Path) -> bytes:
    found = path if path.is_file() else path.with_name(f"{path.name}.js")
    if not found.is_file():
        raise web.HTTPNotFound
    return found.read_bytes()
