"""Moderation by commands and by signed requests: done once, with a row of the audit, and seen on
every instance, stream and copy.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import redis

from tests.eventually import eventually
from tests.instances import Instance, Stream
from tests.operator import Operator
from tests.service.conftest import Start
from tests.world import add_actions, add_board, add_users, sql

# As promised, on a machine that has time for us (`tests/eventually.py`).
SOON_SECONDS: Final = 2.0
WHY: Final = "Impossible scores"
DAY: Final = timedelta(days=1)
RECEIPT: Final = "match-1"

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

    async def show(self, main: Shown, weekly: Shown) -> None:
        """Wait until all of them show this, in time."""

        async def all_show() -> bool:
            for instance, streams in zip(self.instances, self._streams, strict=True):
                assert shown((await instance.board())["data"]) == main
                path = "/api/boards/weekly/leaderboard"
                async with instance.client.get(path) as response:
                    assert shown((await response.json())["data"]) == weekly
                for stream, wanted in zip(streams, (main, weekly), strict=True):
                    assert shown(stream.boards[-1].data["topUsers"]) == wanted
            for key, wanted in (("leaderboard", main), ("leaderboard:weekly", weekly)):
                copy = json.loads(self._copies.hget(key, "board"))  # type: ignore[arg-type]
                assert shown(copy["topUsers"]) == wanted
            return True

        await eventually(all_show, within_seconds=SOON_SECONDS)

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


@pytest.fixture
def players(database_url: str) -> list[str]:
    """Three players on `main` and on `weekly`, with 30, 20 and 10 points."""
    users = add_users(database_url, 3)
    add_actions(database_url, {"thirty": 30, "twenty": 20, "ten": 10})
    now = datetime.now(UTC)
    add_board(database_url, "weekly", (now - DAY, now + DAY), (now + DAY, now + 2 * DAY))
    return users


@pytest.fixture
async def everywhere(
    start: Start, players: list[str], database_url: str, redis_url: str
) -> AsyncIterator[Everywhere]:
    instances = [await start(), await start()]
    for user, action in zip(players, ("thirty", "twenty", "ten"), strict=True):
        assert (await instances[0].submit(user, action))[0] == 200
    here = Everywhere(instances, database_url, redis_url)
    await here.open()
    yield here


Do = Callable[..., Awaitable[None]]


def by_command(operator: Operator) -> Do:
    """Somebody who moderates by commands."""

    async def do(act: str, *argv: str) -> None:
        said = await operator("users", act, *argv, "--reason", WHY, "--json")
        assert said.code == 0, said.err
        assert said.document["act"] == act.replace("-", "_").replace("unhide", "show")

    return do


def a_result(database_url: str, user_id: str, value: int) -> None:
    """Put a result on `weekly`, as a server would."""
    sql(
        database_url,
        "INSERT INTO results (source, receipt, user_id, board_id, season_id, value, played_at,"
        " recorded_at) SELECT 'arena', %s, %s, 'weekly', season_id, %s, now(), now()"
        " FROM boards WHERE board_id = 'weekly'",
        (RECEIPT, user_id, value),
    )


async def test_what_a_command_does_to_a_user_is_seen_everywhere_within_two_seconds(
    everywhere: Everywhere, operator: Operator, players: list[str]
) -> None:
    ada, bob, _ = players
    do = by_command(operator)
    all_three = [("player0", 30), ("player1", 20), ("player2", 10)]
    await everywhere.show(all_three, all_three)

    await do("hide", "player0")
    await everywhere.show(all_three[1:], all_three[1:])
    await everywhere.stand(bob, 20, 1)
    listed = await operator("users", "show", "player0", "--json")
    assert listed.document["hiddenBecause"] == WHY
    assert WHY in (await operator("users", "list", "--name", "player0")).out
    await do("unhide", "player0")
    await everywhere.show(all_three, all_three)
    assert "hiddenAt" not in (await operator("users", "show", "player0", "--json")).document

    await do("ban", "player1")
    await everywhere.show([all_three[0], all_three[2]], [all_three[0], all_three[2]])
    for instance in everywhere.instances:

        async def refused(instance: Instance = instance) -> bool:
            return (await instance.submit(bob, "ten"))[0] == 403

        await eventually(refused, within_seconds=SOON_SECONDS)
    await do("unban", "player1")
    await everywhere.show(all_three, all_three)

    await do("rename", "player2", "countess")
    renamed = [*all_three[:2], ("countess", 10)]
    await everywhere.show(renamed, renamed)

    await do("correct", f"id:{ada}", "--board", "weekly", "--points", "-25")
    corrected = [("player1", 20), ("countess", 10), ("player0", 5)]
    await everywhere.show(renamed, corrected)
    await everywhere.stand(ada, 30, 1)

    await do("revoke-grant", "player1", "twenty")
    await everywhere.show(
        [("player0", 30), ("countess", 10), ("player1", 0)],
        [("countess", 10), ("player0", 5), ("player1", 0)],
    )
    rows = everywhere.audit()
    assert [(act, user) for act, user, *_ in rows] == [
        *(("hide", ada), ("show", ada), ("ban", bob), ("unban", bob)),
        *(("rename", players[2]), ("correct", ada), ("revoke_grant", bob)),
    ]
    assert {row[-1] for row in rows} == {WHY}
    assert all(row[3].startswith("operator:") for row in rows)
    assert (await operator("audit", "verify", "--json")).document["rows"] == 7
