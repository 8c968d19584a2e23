"""Writers that read after each write, on every instance: is what was acknowledged shown?

`tests.load` asks that of one instance after each write, besides much else; here every instance is
asked each time, and nothing but promise 4.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle

import aiohttp
import orjson

from scoreboard.accounts.access import AccessTokens
from tests.eventually import eventually
from tests.instances import test_settings


@dataclass
class OwnWrites:
    """What the writers met. At most ten of them, so that each is on the board."""

    doors: Sequence[str]
    written: int = 0
    read: int = 0
    # The score that was acknowledged, and the one that a later read showed.
    stale: list[str] = field(default_factory=list)

    async def flow(self, writes: int = 60) -> None:
        """Return when so many more were acknowledged and read again."""
        enough = self.written + writes
        await eventually(lambda: self.written >= enough, within_seconds=30.0, message="writes flow")

    async def write(
        self, client: aiohttp.ClientSession, user: str, actions: Iterator[str], number: int
    ) -> None:
        """Submit, each time to the next instance, and read on all of them."""
        bearer = {"Authorization": f"Bearer {_TOKENS.issue(user)}"}
        for door, action in zip(cycle([*self.doors[number:], *self.doors[:number]]), actions):
            with suppress(aiohttp.ClientError, OSError):
                async with client.post(
                    f"{door}/api/actions", json={"actionId": action}, headers=bearer
                ) as response:
                    document = orjson.loads(await response.read())
                if response.status == 200:
                    score = document["data"]["score"]
                    await asyncio.gather(
                        *(self._look(client, user, score, door, other) for other in self.doors)
                    )
                    self.written += 1

    async def _look(
        self, client: aiohttp.ClientSession, user: str, score: int, written: str, door: str
    ) -> None:
        async with client.get(f"{door}/api/leaderboard") as response:
            board = orjson.loads(await response.read())
        self.read += 1
        shown = {entry["userId"]: entry["score"] for entry in board["data"]}.get(user, 0)
        if shown < score:
            self.stale.append(f"{written} said {score}, {door} showed {shown}")


_TOKENS = AccessTokens(test_settings(access_token_seconds=7 * 86400))


@asynccontextmanager
async def own_writes(
    doors: Sequence[str], users: Sequence[str], actions: Sequence[str]
) -> AsyncIterator[OwnWrites]:
    """Let each of these users submit all of these actions, on these instances in turn. Nothing
    stale was shown when this ends.
    """
    found = OwnWrites([*doors])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        writers = [
            asyncio.create_task(found.write(client, user, iter(actions), number % len(doors)))
            for number, user in enumerate(users)
        ]
        try:
            await found.flow()
            yield found
        finally:
            for writer in writers:
                writer.cancel()
            ends = await asyncio.gather(*writers, return_exceptions=True)
    assert [end for end in ends if isinstance(end, Exception)] == []
    assert found.stale == [], f"{len(found.stale)} of {found.read} reads"
