"""Boards that are not the ledger's: of whoever can write to RabbitMQ or Redis, of whoever has the
secret, and of a ledger that went back. Two instances on the same servers each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractExchange
from redis.asyncio import Redis

from scoreboard import board_json
from scoreboard.bus.messages import EXCHANGE
from scoreboard.copies.copy import KEY
from scoreboard.model import LEAP_MAX, MAIN, Board, Entry
from scoreboard.parts import PARTS
from tests.attacks.conftest import Start
from tests.commands import command
from tests.eventually import eventually
from tests.forger import a_message
from tests.instances import SECRET, Instance, Stream
from tests.samples import a_board
from tests.world import add_actions, add_users, board_version, ranking, sql

MALLORY = Entry("99999999-9999-4999-8999-999999999999", "mallory", 2_000_000_000)
# What is promised, for a machine that has time for us (`tests/eventually.py`).
HEALED_SECONDS = 2.0


def forged(version: int) -> Board:
    return Board(MAIN, version, a_board(1).changed_at, (MALLORY,))


@dataclass
class Scene:
    """Two instances with a stream each, users who play, and a forger's hands on the servers."""

    instances: tuple[Instance, Instance]
    streams: list[Stream]
    users: list[str]
    exchange: AbstractExchange
    redis: Redis
    database_url: str
    urls: dict[str, str]

    @property
    def version(self) -> int:
        """The ledger's."""
        return board_version(self.database_url)

    async def publish(self, body: bytes, secret: str = "") -> None:
        await self.exchange.publish(a_message(body, secret), routing_key="", mandatory=False)

    async def shows_the_ledger(self) -> bool:
        """Whether every stream, every read and Redis have the ledger's board."""
        wanted, version = ranking(self.database_url), self.version
        for instance in self.instances:
            board = await instance.board()
            assert (shown(board["data"]), board["version"]) == (wanted, version)
        for stream in self.streams:
            assert stream.versions[-1] == version
            assert shown(stream.boards[-1].data["topUsers"]) == wanted
        assert int(await self.redis.hget(KEY, "version") or -1) == version
        return True

    async def heals(self) -> None:
        await eventually(self.shows_the_ledger, within_seconds=HEALED_SECONDS)

    async def plays_on(self) -> None:
        """Somebody submits, and everybody hears of it."""
        before = self.version
        instance = self.instances[before % 2]
        assert (await instance.submit(self.users.pop(), "run"))[0] == 200
        assert self.version == before + 1
        await self.heals()

    def counted(self, name: str, **labels: str) -> list[float]:
        return [instance.metric(name, **labels) for instance in self.instances]

    def no_board_of_mallory_was_shown(self) -> None:
        for stream in self.streams:
            for event in stream.boards:
                assert "mallory" not in str(event.data)


def shown(entries: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(entry["userId"], entry["score"]) for entry in entries]


@pytest.fixture
async def scene(
    start: Start, database_url: str, redis_url: str, amqp_url: str
) -> AsyncIterator[Scene]:
    one, two = await start(), await start()
    users = add_users(database_url, 8)
    add_actions(database_url, {"run": 50})
    urls = {"SCOREBOARD_DATABASE_URL": database_url, "SCOREBOARD_REDIS_URL": redis_url}
    for instance in (one, two):
        await eventually(lambda: instance.app[PARTS].bus.connected)  # noqa: B023 - called at once
    streams = [await instance.open_stream() for instance in (one, two)]
    async with await aio_pika.connect(amqp_url) as connection, Redis.from_url(redis_url) as client:
        exchange = await (await connection.channel()).get_exchange(EXCHANGE)
        scene = Scene((one, two), streams, users, exchange, client, database_url, urls)
        await scene.plays_on()
        await scene.plays_on()
        yield scene
    for stream in streams:
        assert stream.versions == sorted(set(stream.versions))
    assert scene.counted("task_crashes_total", task="hub") == [0, 0]
    assert scene.counted("task_crashes_total", task="relay") == [0, 0]


async def test_no_message_of_a_stranger_is_shown_or_harms_anybody(scene: Scene) -> None:
    """A version far ahead was everybody's board for ever; a score that no event can hold ended the
    hub once a second.
    """
    ahead, genuine = (
        board_json.encode(forged(scene.version + 1000)),
        board_json.encode(forged(scene.version + 1)),
    )
    for body in (
        ahead,
        genuine,
        board_json.encode(forged(2**53 - 1)),
        ahead.replace(b"2000000000", b"1e30"),
        ahead.replace(b"mallory", rb"\ud800"),
        b"[" * 100_000,
    ):
        await scene.publish(body)
        await scene.publish(body, "a-secret-of-somebody-else-0123456789abc")
    await eventually(lambda: min(scene.counted("events_received_total")) >= 12)

    await scene.plays_on()
    scene.no_board_of_mallory_was_shown()
    newcomer = await scene.instances[0].open_stream()
    await newcomer.until(scene.version)
    assert min(scene.counted("events_refused_total", reason="unsigned")) >= 4
    assert scene.counted("divergences_total", mended="lifted") == [0, 0]


async def test_a_board_of_whoever_has_the_secret_is_overtaken_by_the_ledgers(scene: Scene) -> None:
    """Or a message that was kept from before a restore. No stream goes back for it."""
    rogue = forged(scene.version + 1000)
    await scene.publish(board_json.encode(rogue), SECRET)
    await eventually(lambda: all(s.versions[-1] >= rogue.version for s in scene.streams))

    await scene.heals()
    assert scene.version == rogue.version + 1
    # Whoever has seen it asks with its version, and is not told that it holds still.
    for instance in scene.instances:
        tag = {"If-None-Match": f'"{rogue.version}"'}
        async with instance.client.get("/api/leaderboard", headers=tag) as response:
            assert response.status == 200
    await scene.plays_on()

    same = forged(scene.version)
    await scene.publish(
        board_json.encode(same), SECRET
    )  # under a version that is known, nobody takes it
    await scene.publish(board_json.encode(forged(2**53 - 1)), SECRET)
    await scene.publish(board_json.encode(forged(scene.version + LEAP_MAX + 1)), SECRET)
    await scene.plays_on()
    assert min(scene.counted("boards_refused_total", reason="leap")) >= 2
    assert sum(scene.counted("divergences_total", mended="lifted")) >= 1
    assert scene.counted("divergences_total", mended="renumbered") == [0, 0]


@pytest.mark.parametrize("kind", ["hash", "text"])
async def test_whoever_writes_to_redis_all_the_time_is_shown_to_nobody(
    scene: Scene, kind: str
) -> None:
    """And no limit is counted without Redis for it, as if it were away."""
    done = asyncio.Event()

    async def poison() -> None:
        while not done.is_set():
            await scene.redis.delete(KEY)
            if kind == "text":
                await scene.redis.set(KEY, b"x" * 100_000)
            for version in (scene.version, scene.version + 1, 2**53 - 1, 2**53 + 1, 2**63 - 1):
                if kind == "hash":
                    fields = {"version": version, "board": board_json.encode(forged(version))}
                    await scene.redis.hset(KEY, mapping=fields)  # type: ignore[arg-type]
                await asyncio.sleep(0.02)

    poisoning = asyncio.create_task(poison())
    for _ in range(3):
        assert (await scene.instances[0].submit(scene.users.pop(), "run"))[0] == 200
        for instance in scene.instances * 20:
            assert shown((await instance.board())["data"]) == ranking(scene.database_url)
    done.set()
    await poisoning

    await scene.heals()
    assert sum(sum(scene.counted("copies_refused_total", reason=r)) for r in ("kind", "unsigned"))
    assert scene.counted("redis_failures_total", reason="no_answer") == [0, 0]
    assert scene.counted("rate_limit_checks_local_total") == [0, 0]
    assert scene.counted("divergences_total", mended="lifted") == [0, 0]


async def test_a_ledger_that_was_set_back_goes_on_above_what_was_shown(scene: Scene) -> None:
    """Restored from a backup while everybody looks, or a promotion that lost commits."""
    shown_before = scene.version
    sql(
        scene.database_url,
        "DELETE FROM ledger WHERE ledger_id = (SELECT max(ledger_id) FROM ledger)",
    )
    sql(scene.database_url, "DELETE FROM scores WHERE user_id NOT IN (SELECT user_id FROM ledger)")
    sql(scene.database_url, "UPDATE board SET version = version - 1")

    await scene.heals()
    assert scene.version == shown_before + 1
    await scene.plays_on()

    # The versions that were lost have been used again: another board under the same number.
    sql(scene.database_url, "UPDATE users SET username = 'renamed' || username")
    sql(scene.database_url, "UPDATE board SET changed_at = clock_timestamp()")
    await eventually(lambda: scene.version == shown_before + 3, within_seconds=HEALED_SECONDS)
    await scene.heals()
    assert "renamed" in str(scene.streams[0].boards[-1].data)


async def test_a_version_that_leapt_is_numbered_anew_and_clients_are_told(scene: Scene) -> None:
    leapt = 2**53 - 9
    sql(scene.database_url, "UPDATE board SET version = %s", (leapt,))
    await scene.heals()

    code, said = await command(scene.urls, "board", "rebuild", "--renumber")
    assert (code, "numbered anew" in said) == (0, True)

    await eventually(lambda: all(s.ended for s in scene.streams), within_seconds=HEALED_SECONDS)
    for stream in scene.streams:
        assert stream.versions[-1] == leapt
        assert stream.events[-1].name == "closing"
        assert stream.events[-1].data["code"] == "renumbered"
    scene.streams[:] = [await instance.open_stream() for instance in scene.instances]
    await scene.heals()
    assert scene.version < 100
    await scene.plays_on()
    # Messages from before, which one of us had signed, are of another history now.
    await scene.publish(board_json.encode(forged(leapt + 1)), SECRET)
    await scene.plays_on()
    scene.no_board_of_mallory_was_shown()
    assert sum(scene.counted("divergences_total", mended="lifted")) == 0
