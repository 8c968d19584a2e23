"""A server for the client's own tests: what it answers is set while it runs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from aiohttp import web

from scoreboard.api import assets
from tests.eventually import eventually

PAGE = "<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>A page</title>"

CODE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2">'
    '<path d="M0 0h2v2H0z" fill="#fff"/><path d="M0 0h1v1H0zm1 1h1v1H1z"/></svg>'
)


def board_event(
    version: int,
    *names: str,
    end: str = "\n",
    board_id: str | None = None,
    season: dict[str, Any] | None = None,
) -> bytes:
    """A `score:update`; the score is the version, so that a test sees which board is shown."""
    named = {"boardId": board_id, "direction": "high", "season": season} if board_id else {}
    data = json.dumps({"topUsers": entries(version, *names), "timestamp": TIMESTAMP} | named)
    return f"id: {version}{end}event: score:update{end}data: {data}{end}{end}".encode()


def season(number: int, state: str = "running", **times: str | None) -> dict[str, Any]:
    """A season of a week; `startsAt` and `endsAt` may be others."""
    week = timedelta(days=7)
    starts_at = datetime(2026, 1, 5, tzinfo=UTC) + number * week
    members = {"startsAt": instant(starts_at), "endsAt": instant(starts_at + week)}
    return {"number": number, "state": state} | members | times


def instant(moment: datetime) -> str:
    """A time as the server writes it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def ended_event(board_id: str, ended: dict[str, Any], *top_users: dict[str, Any]) -> bytes:
    """A `season:ended`."""
    data = json.dumps({"boardId": board_id, "season": ended, "topUsers": top_users})
    return f"event: season:ended\ndata: {data}\n\n".encode()


def entries(version: int, *names: str) -> list[dict[str, Any]]:
    return [{"userId": f"id-{n}", "username": n, "score": version} for n in names or ("ada",)]


TIMESTAMP = "2024-12-09T14:30:45Z"
CONNECTED = b'event: connected\ndata: {"message":"Connected to leaderboard stream"}\n\n'
HEARTBEAT = b": heartbeat\n"


@dataclass
class Asked:
    """A request that came."""

    at: float
    headers: Mapping[str, str]
    path: str

    @classmethod
    def by(cls, request: web.Request) -> Self:
        return cls(time.monotonic(), request.headers.copy(), request.path_qs)


@dataclass
class Refusal:
    """What to answer instead."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


class FakeServer:
    """`/` is an empty page, or another; boards and their streams do as told, all the same."""

    def __init__(self) -> None:
        self.version = 1
        self.board_id: str | None = None  # what an answer names, if not the board it was asked for
        self.season: dict[str, Any] | None = None  # of boards other than main
        self.archives: dict[tuple[str, int], dict[str, Any]] = {}  # by board and number of a season
        self.lists: dict[str, Any] = {  # what other addresses answer, or a handler that does
            "/api/me/grants": {"success": True, "data": [], "next": None},
        }
        self.language = "en"  # of our page
        self.page = PAGE
        self.page_headers: dict[str, str] = {}
        self.has_our_page = False
        self.polls: list[Asked] = []
        self.streams: list[Asked] = []
        self.refuse_polls: Refusal | None = None
        self.refuse_streams: Refusal | None = None
        self.hang_polls = False
        # What a stream begins with; an empty one is what a proxy that buffers lets through.
        self.opening = CONNECTED
        self.open: list[web.StreamResponse] = []
        self.url = ""
        self._hung = asyncio.Event()
        self._assets = assets.load()
        self._runner: web.AppRunner

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/client.js", self._script)
        app.router.add_get("/client/v1/{name}", self._public)
        app.router.add_get("/join.svg", self._code)
        app.router.add_get("/assets/{name}", self._asset)
        app.router.add_get("/api/leaderboard", self._board)
        app.router.add_get("/api/leaderboard/stream", self._stream)
        app.router.add_get("/api/boards/{board}/leaderboard", self._board)
        app.router.add_get("/api/boards/{board}/stream", self._stream)
        self.add_routes(app.router)
        app.router.add_get("/api/{rest:.*}", self._list)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hung.set()
        self.cut()
        await self._runner.cleanup()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Routes of servers that can do more."""

    async def push(self, data: bytes) -> None:
        """Send bytes on every open stream."""
        for stream in self.open:
            await stream.write(data)

    async def push_board(self, version: int, *names: str) -> None:
        """Change the board and tell the streams."""
        self.version = version
        await self.push(board_event(version, *names))

    def cut(self) -> None:
        """End every stream without a word."""
        for stream in self.open:
            request = stream._req  # aiohttp does not offer it otherwise
            if request is not None and request.transport is not None:
                request.transport.abort()

    async def until_open(self, count: int = 1) -> None:
        await eventually(lambda: len(self.open) == count, message=f"{count} open streams")

    async def _page(self, _: web.Request) -> web.Response:
        text = self.page
        if self.has_our_page:
            text = self._assets.pages[self.language].body.decode()
        return web.Response(text=text, content_type="text/html", headers=self.page_headers)

    async def _script(self, _: web.Request) -> web.Response:
        client = self._assets.plain["scoreboard-client.js"]
        return web.Response(body=client.body, content_type="text/javascript")

    async def _public(self, request: web.Request) -> web.Response:
        asset = self._assets.public[request.match_info["name"]]
        return web.Response(body=asset.body, headers={"Content-Type": asset.content_type})

    async def _code(self, _: web.Request) -> web.Response:
        return web.Response(text=CODE, content_type="image/svg+xml")

    async def _asset(self, request: web.Request) -> web.Response:
        asset = self._assets.hashed[request.match_info["name"]]
        return web.Response(body=asset.body, headers={"Content-Type": asset.content_type})

    async def _list(self, request: web.Request) -> web.Response:
        answer = self.lists.get(request.path)
        if callable(answer):
            answered: web.Response = await answer(request)
            return answered
        return web.Response(status=404) if answer is None else web.json_response(answer)

    async def _archive(self, request: web.Request) -> web.Response:
        kept = self.archives.get((request.match_info["board"], int(request.query["season"])))
        return web.Response(status=404) if kept is None else web.json_response(kept)

    async def _board(self, request: web.Request) -> web.Response:
        if "season" in request.query:
            return await self._archive(request)
        self.polls.append(Asked.by(request))
        if self.hang_polls:
            await self._hung.wait()
        if self.refuse_polls:
            return web.Response(status=self.refuse_polls.status, headers=self.refuse_polls.headers)
        tag = f'"{self.version}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        document = {"version": self.version, "data": entries(self.version), "timestamp": TIMESTAMP}
        if board_id := self.board_id or request.match_info.get("board"):
            document |= {"boardId": board_id, "direction": "high", "season": self.season}
        return web.json_response(document, headers={"ETag": tag})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.streams.append(Asked.by(request))
        if self.refuse_streams:
            refusal = self.refuse_streams
            return web.Response(status=refusal.status, headers=refusal.headers)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if self.opening:
            await response.write(self.opening)
        self.open.append(response)
        try:
            with suppress(ConnectionResetError):
                await asyncio.Event().wait()
        finally:
            self.open.remove(response)
        return response
