"""A server with a ranking of any length: a line is worked out from its rank."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from aiohttp import web

from tests.browser.fake_server import CONNECTED, TIMESTAMP, FakeServer

ME = "user-me"
SESSION = {"refreshToken": "r.t", "userId": ME, "username": "ada"}
PLACE_MEMBERS = ("score", "rank", "competitionRank", "denseRank", "total", "percentile")


class FakeRanking(FakeServer):
    """Everybody is `player{n}`, in the order of `n`, two of each score; `ada`, who is logged in,
    stands at `my_rank` between them.
    """

    def __init__(self, total: int = 2_000_000, my_rank: int | None = 48_213) -> None:
        super().__init__()
        self.has_our_page = True
        self.total = total
        self.my_rank = my_rank
        self.first = 1  # the number of who stands first: more, and all have moved up
        self.counted = True  # whether ranks past the thousandth are known
        self.ranking_season: dict[str, Any] | None = None
        self.refuse_entries: web.Response | None = None
        self.follows: dict[str, str] = {}
        self.asked: list[str] = []  # of entries
        self.personal: list[web.StreamResponse] = []
        self.refuse_personal = False
        self.personal_asked = 0  # how often somebody wanted a personal stream
        self.me_asked = 0  # how often somebody wanted those around
        self.answers_of_me: asyncio.Semaphore | None = None  # how many of these may leave

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/api/auth/refresh", self._refresh)
        router.add_post("/api/auth/logout", self._nothing)
        router.add_get("/api/me/stream", self._personal)
        router.add_get("/api/me/follows", self._follows)
        router.add_put("/api/me/follows/{user}", self._follow)
        router.add_delete("/api/me/follows/{user}", self._follow)
        router.add_get("/api/boards/{board}/me", self._me)
        router.add_get("/api/boards/{board}/entries", self._entries)

    def line(self, rank: int) -> dict[str, Any]:
        """The place of that rank."""
        number = rank + self.first - 1
        is_me = rank == self.my_rank
        behind_me = self.my_rank is not None and rank > self.my_rank
        number -= 1 if behind_me else 0
        known = self.counted or rank <= 1000
        pair = (rank - 1) // 2
        return {
            "rank": rank if known else None,
            "competitionRank": 2 * pair + 1 if known else None,
            "denseRank": None,
            "userId": ME if is_me else f"user-{number}",
            "username": "ada" if is_me else f"player{number}",
            "score": 10 * ((self.total + 1) // 2 - pair),
            "reachedAt": TIMESTAMP,
        }

    def place(self) -> dict[str, Any] | None:
        """Where `ada` stands."""
        if self.my_rank is None:
            return None
        behind = 10_000 * (self.total - self.my_rank) // self.total / 100
        known = self.counted or self.my_rank <= 1000
        beyond = {"percentile": behind if known else None, "rankAbove": None if known else 1000}
        return self.line(self.my_rank) | beyond

    def next(self) -> dict[str, Any] | None:
        """Who stands before `ada`."""
        if self.my_rank in (None, 1):
            return None
        ahead = self.line(self.my_rank - 1)
        points = ahead["score"] - self.line(self.my_rank)["score"]
        return {"userId": ahead["userId"], "username": ahead["username"], "points": points + 1}

    def about(self, board: str) -> dict[str, Any]:
        """What every answer says of its ranking."""
        total = self.total if self.counted else None
        common = {"success": True, "direction": "high", "version": self.version, "total": total}
        return common | {"boardId": board, "season": self.ranking_season}

    async def push_place(self, rank: int | None, board: str = "main") -> None:
        """Move `ada`, and say so on the personal streams."""
        self.my_rank = rank
        await self.push_personal("me:place", self.place_event(board))

    def place_event(self, board: str) -> dict[str, Any]:
        """A `me:place`."""
        place = self.place() or {}
        total = self.total if place and self.counted else None
        members = {name: place.get(name) for name in PLACE_MEMBERS} | {"total": total}
        rest = {"rankAbove": place.get("rankAbove"), "next": self.next()}
        return {"boardId": board, "season": self.ranking_season} | members | rest

    async def push_personal(self, name: str, document: dict[str, Any]) -> None:
        """Send an event on every personal stream."""
        for stream in self.personal:
            await stream.write(f"event: {name}\ndata: {json.dumps(document)}\n\n".encode())

    async def _refresh(self, _: web.Request) -> web.Response:
        return web.json_response({"accessToken": "a", "expiresIn": 900} | SESSION)

    async def _nothing(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _me(self, request: web.Request) -> web.Response:
        place, around = self.place(), int(request.query.get("around", 5))
        entries: list[dict[str, Any]] = []
        if self.my_rank is not None:
            size = min(2 * around + 1, self.total)
            first = max(1, min(self.my_rank - around, self.total - size + 1))
            entries = [self.line(rank) for rank in range(first, first + size)]
        data = {"place": place, "next": self.next(), "entries": entries}
        if around:
            self.me_asked += 1
            if self.answers_of_me is not None:
                await self.answers_of_me.acquire()
        return web.json_response(self.about(request.match_info["board"]) | {"data": data})

    async def _entries(self, request: web.Request) -> web.Response:
        self.asked.append(request.query_string)
        if self.refuse_entries is not None:
            return web.Response(
                status=self.refuse_entries.status,
                text=self.refuse_entries.text,
                content_type="application/json",
            )
        query = request.query
        limit = int(query.get("limit", 50))
        if not self.counted and int(query.get("rank", 1)) > 1000:
            return web.json_response({"code": "unavailable", "message": "Counting."}, status=503)
        if users := query.get("users"):
            ranks = sorted(filter(None, map(self._rank_of, users.split(","))))
        else:
            first = int(query.get("rank") or query.get("after") or 1)
            ranks = list(range(first, min(first + limit, self.total + 1)))
        following = ranks[-1] + 1 if ranks and ranks[-1] < self.total else None
        more = {
            "data": [self.line(rank) for rank in ranks],
            "next": str(following) if following else None,
            "previous": None,
            "rankAbove": None if self.counted else 1000,
        }
        return web.json_response(self.about(request.match_info["board"]) | more)

    def _rank_of(self, user: str) -> int | None:
        if user == ME:
            return self.my_rank
        rank = int(user.removeprefix("user-")) - self.first + 1
        if self.my_rank is not None and rank >= self.my_rank:
            rank += 1
        return rank if 1 <= rank <= self.total else None

    async def _follows(self, _: web.Request) -> web.Response:
        users = [
            {"userId": user, "username": name, "followedAt": TIMESTAMP}
            for user, name in self.follows.items()
        ]
        return web.json_response({"success": True, "data": users})

    async def _follow(self, request: web.Request) -> web.Response:
        user = request.match_info["user"]
        if request.method == "PUT":
            self.follows[user] = user.replace("user-", "player")
        else:
            self.follows.pop(user, None)
        return web.Response(status=204)

    async def _personal(self, request: web.Request) -> web.StreamResponse:
        self.personal_asked += 1
        if self.refuse_personal or "Authorization" not in request.headers:
            return web.Response(status=503 if self.refuse_personal else 401)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(CONNECTED)
        self.personal.append(response)
        for board in request.query["boards"].split(","):
            document = json.dumps(self.place_event(board))
            await response.write(f"event: me:place\ndata: {document}\n\n".encode())
        try:
            with suppress(ConnectionResetError):
                await asyncio.Event().wait()
        finally:
            self.personal.remove(response)
        return response
