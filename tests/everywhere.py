"""All places in which two boards are seen: instances, their streams, and the copies in Redis."""

from __future__ import annotations

import json
from typing import Any, Final

import redis

from tests.eventually import eventually
from tests.instances import Instance, Stream
from tests.world import sql

# As promised, on a machine that has time for us (`tests/eventually.py`).
SOON_SECONDS: Final = 2.0

# What both boards show, best first.
Shown = list[tuple[str, int]]


class Everywhere:
    """Two instances, a stream of each board on either of them, and Redis."""

    def __init__(self, instances: list[Instance], database_url: str, redis_url: str) -> None:
        self.instances = instances
        self.database_url = database_url
        self._copies = redis.Redis.from_url(redis_url)
        self._streams: list[tuple[Stream, Stream]] = []

    async def open(self) -> None:
        for instance in self.instances:
            main = await instance.open_stream()
            self._streams.append((main, await instance.open_stream("/api/boards/weekly/stream")))

    async def show(self, main: Shown, weekly: Shown, *, copies: bool = True) -> None:
        """Wait until all of them show this, in time; without `copies`, Redis is left out."""

        async def all_show() -> bool:
            for instance, streams in zip(self.instances, self._streams, strict=True):
                assert shown((await instance.board())["data"]) == main
                path = "/api/boards/weekly/leaderboard"
                async with instance.client.get(path) as response:
                    assert shown((await response.json())["data"]) == weekly
                for stream, wanted in zip(streams, (main, weekly), strict=True):
                    assert shown(stream.boards[-1].data["topUsers"]) == wanted
            if copies:
                assert self._copy("leaderboard") == main
                assert self._copy("leaderboard:weekly") == weekly
            return True

        await eventually(all_show, within_seconds=SOON_SECONDS)

    def _copy(self, key: str) -> Shown:
        text = self._copies.hget(key, "board")
        assert isinstance(text, bytes), key
        return shown(json.loads(text)["topUsers"])

    async def keep(self, season: str, wanted: Shown) -> None:
        """Wait until the archive of a season shows this on both instances."""
        path = f"/api/boards/{season.replace('?', '/leaderboard?')}"

        async def all_keep() -> bool:
            for instance in self.instances:
                async with instance.client.get(path) as response:
                    assert shown((await response.json())["data"]) == wanted
            return True

        await eventually(all_keep, within_seconds=SOON_SECONDS)

    async def stand(self, user_id: str, score: int, rank: int | None) -> None:
        """Wait until a user has this standing on both instances."""

        async def all_say() -> bool:
            for instance in self.instances:
                async with instance.client.get("/api/me", headers=instance.bearer(user_id)) as me:
                    data = (await me.json())["data"]
                    assert (data["score"], data["rank"]) == (score, rank)
            return True

        await eventually(all_say, within_seconds=SOON_SECONDS)

    def audit(self) -> list[tuple[Any, ...]]:
        return sql(
            self.database_url,
            "SELECT act, user_id::text, board_id, made_by, reason FROM audit ORDER BY audit_id",
        )


def shown(entries: list[dict[str, Any]]) -> Shown:
    return [(entry["username"], entry["score"]) for entry in entries]
