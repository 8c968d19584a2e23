"""The promises, with two instances on the same servers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import AsyncMock
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis as Client

from scoreboard.bus.rabbit import RabbitBus
from scoreboard.connections.redis import Redis
from scoreboard.copies.board import CachedBoard
from scoreboard.copies.copy import KEY
from scoreboard.ledger.verdicts import Settlement
from scoreboard.model import MAIN, Board, Submission
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance
from tests.proxy import TcpProxy
from tests.service.conftest import Start
from tests.world import (
    add_actions,
    add_users,
    board_version,
    grants,
    ledger_sums,
    ranking,
    scores,
    sql,
)


def shown(board: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(entry["userId"], entry["score"]) for entry in board]


async def test_an_action_raced_over_two_instances_and_many_connections_is_granted_once(
    start: Start, database_url: str
) -> None:
    one, two = await start(), await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})

    answers = await asyncio.gather(
        *(instance.submit(user, "run") for _ in range(40) for instance in (one, two))
    )

    assert sorted(status for status, _ in answers) == [200] + [400] * 79
    assert {document["code"] for status, document in answers if status == 400} == {
        "already_granted"
    }
    assert grants(database_url) == [(user, "run")]
    assert scores(database_url) == {user: 50}


async def test_a_200_means_the_row_and_the_score_are_there(
    instance: Instance, database_url: str
) -> None:
    users = add_users(database_url, 30)
    add_actions(database_url, {"run": 50})

    async def submit_and_look(user: str) -> None:
        assert (await instance.submit(user, "run"))[0] == 200
        rows = await asyncio.to_thread(
            sql,
            database_url,
            "SELECT count(*), (SELECT score FROM scores WHERE user_id = %(user)s) FROM ledger"
            " WHERE user_id = %(user)s",
            {"user": user},
        )
        assert rows == [(1, 50)]

    await asyncio.gather(*(submit_and_look(user) for user in users))


async def test_commits_are_synchronous_whatever_the_server_defaults_to(
    start: Start, database_url: str
) -> None:
    """A 200 is a promise that survives a crash of PostgreSQL."""
    name = database_url.rsplit("/", 1)[1]
    sql(database_url, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    instance = await start(instance="sync")
    await instance.board()
    writers = instance.app[PARTS].submissions._ledger._writers
    assert await writers.fetch("SHOW synchronous_commit") == [("on",)]


async def test_scores_equal_the_ledger_at_every_instant(start: Start, database_url: str) -> None:
    one, two = await start(), await start()
    users = add_users(database_url, 10)
    add_actions(database_url, {f"a{n}": n + 1 for n in range(20)})
    over = asyncio.Event()

    async def watch() -> int:
        looks = 0
        while not over.is_set():
            # One statement is one instant.
            differing = await asyncio.to_thread(
                sql,
                database_url,
                "SELECT 1 FROM scores FULL JOIN (SELECT user_id, sum(points_granted) AS sum"
                " FROM ledger GROUP BY user_id) AS sums USING (user_id)"
                " WHERE score IS DISTINCT FROM sum",
            )
            assert differing == []
            looks += 1
        return looks

    watching = asyncio.create_task(watch())
    await asyncio.gather(
        *(random.choice((one, two)).submit(user, f"a{n}") for user in users for n in range(20))
    )
    over.set()
    assert await watching > 0
    assert scores(database_url) == ledger_sums(database_url)


async def test_after_a_200_the_next_read_on_any_instance_is_at_least_that_new(
    start: Start, database_url: str, redis_url: str
) -> None:
    """Without the wait for Redis before the reply, the other instance shows the board before. That
    one trusts the copy, and hears nothing from elsewhere.
    """
    redis = urlsplit(redis_url)
    assert redis.port is not None
    async with TcpProxy("127.0.0.1", redis.port) as slow_line:
        writer = await start(redis_url=f"redis://127.0.0.1:{slow_line.port}{redis.path}")
        await eventually(lambda: _redis_version(redis_url, 1))
        reader = await start(reconcile_seconds=60.0)
        writer.app[PARTS].bus.publish = lambda *_: None  # type: ignore[method-assign]
        [user] = add_users(database_url, 1)
        add_actions(database_url, {f"a{n}": 1 for n in range(10)})
        await eventually(lambda: _reads_the_copy(reader))
        slow_line.delay(0.1)
        for n in range(10):
            status, document = await writer.submit(user, f"a{n}")
            board = await reader.board()
            assert status == 200
            assert board["data"][0]["score"] >= document["data"]["score"]
        assert await _reads_the_copy(reader)


@pytest.mark.parametrize("action", ["five", "four"], ids=["ties with the tenth", "is below it"])
async def test_a_grant_that_changes_no_board_is_answered_once_the_one_that_it_saw_can_be_read(
    start: Start, database_url: str, redis_url: str, action: str
) -> None:
    """Another instance has committed a board that this grant is too low for, and has not yet stored
    it. The one before would lack the grant, and show somebody with less.
    """
    redis = urlsplit(redis_url)
    assert redis.port is not None
    async with TcpProxy("127.0.0.1", redis.port) as slow_line:
        slow = await start(
            redis_url=f"redis://127.0.0.1:{slow_line.port}{redis.path}",
            redis_timeout_seconds=10.0,
            reconcile_seconds=60.0,
        )
        other, reader = await start(reconcile_seconds=60.0), await start(reconcile_seconds=60.0)
        slow.app[PARTS].bus.publish = lambda *_: None  # type: ignore[method-assign]
        other.app[PARTS].bus.publish = lambda *_: None  # type: ignore[method-assign]
        *first, tenth, late = add_users(database_url, 11)
        add_actions(database_url, {"one": 1, "four": 4, "five": 5})
        for user in first:
            await other.submit(user, "five")
        await other.submit(tenth, "one")
        await eventually(lambda: _reads_the_copy(other))
        await eventually(lambda: _reads_the_copy(reader))
        stored = board_version(database_url)

        slow_line.delay(1.0)
        storing = asyncio.create_task(slow.submit(tenth, "four"))
        await eventually(lambda: board_version(database_url) == stored + 1, within_seconds=20.0)
        assert (await other.submit(late, action))[0] == 200
        assert (await reader.board())["version"] == stored + 1
        assert not storing.done()
        assert (await storing)[0] == 200
        assert board_version(database_url) == stored + 1


async def test_a_batch_in_parts_is_answered_once_the_newest_board_that_it_saw_can_be_read(
    start: Start, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first part raised the board; its last one saw that somebody had raised it again, and has
    not yet stored it.
    """
    one, reader = await start(reconcile_seconds=60.0), await start(reconcile_seconds=60.0)
    ada, ben = add_users(database_url, 2)
    add_actions(database_url, {"five": 5})
    await eventually(lambda: _reads_the_copy(one))
    await eventually(lambda: _reads_the_copy(reader))
    ledger = one.app[PARTS].ledger
    grant = ledger.grant

    async def grant_in_parts(batch: Sequence[Submission]) -> Settlement:
        first = await grant(batch)
        by_another = await grant([Submission(ben, "five")])
        return first | Settlement({}, seen=by_another.seen)

    monkeypatch.setattr(ledger, "grant", grant_in_parts)
    assert (await one.submit(ada, "five"))[0] == 200
    assert (await reader.board())["version"] == board_version(database_url)


async def test_a_grant_asks_redis_for_its_limits_and_once_for_all_boards_that_it_changes(
    start: Start, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that changes no board asks for nothing else: Redis has what the batch has seen."""
    one = await start(reconcile_seconds=60.0)
    *players, late = add_users(database_url, 11)
    add_actions(database_url, {"one": 1, "two": 2, "nine": 9})
    for user in players:
        await one.submit(user, "nine")
    calls: list[bytes] = []
    ask = Redis.ask

    async def noted(redis: Redis, pack: Callable[[], bytes], *load: bytes, **options: Any) -> Any:
        if b"PING" not in (call := pack()):  # a probe
            calls.append(call)
        return await ask(redis, pack, *load, **options)

    monkeypatch.setattr(one.app[PARTS].relay, "reconcile", AsyncMock(return_value=None))
    monkeypatch.setattr(Redis, "ask", noted)
    for action in ("one", "two"):
        assert (await one.submit(late, action))[0] == 200
    assert [b"limit:" in call for call in calls] == [True, True]
    calls.clear()
    assert (await one.submit(players[0], "one"))[0] == 200
    assert [b"limit:" in call for call in calls] == [True, False]
    assert calls[1].count(b"topUsers") == 1


async def _reads_the_copy(instance: Instance) -> bool:
    def reads_from_ledger() -> float:
        [metric] = instance.app[PARTS].metrics.board_reads_from_ledger.collect()
        return sum(each.value for each in metric.samples if each.name.endswith("_total"))

    before = reads_from_ledger()
    await instance.board()
    return reads_from_ledger() == before


async def test_every_stream_of_every_instance_ends_on_the_final_board_and_never_goes_back(
    start: Start, database_url: str
) -> None:
    one, two = await start(), await start()
    users = add_users(database_url, 12)
    add_actions(database_url, {f"a{n}": n + 1 for n in range(10)})
    streams = [await instance.open_stream() for instance in (one, two) for _ in range(5)]

    pairs = [(user, f"a{n}") for user in users for n in range(10)]
    random.shuffle(pairs)
    await asyncio.gather(*(random.choice((one, two)).submit(*pair) for pair in pairs))

    final = board_version(database_url)
    for stream in streams:
        await stream.until(final, within_seconds=2.0)
        assert stream.versions == sorted(set(stream.versions))
        assert shown(stream.boards[-1].data["topUsers"]) == ranking(database_url)
    assert one.metric("divergences_total", mended="lifted") == 0
    assert two.metric("divergences_total", mended="lifted") == 0


async def test_a_board_that_was_never_published_reaches_the_other_instances_within_two_seconds(
    start: Start, database_url: str
) -> None:
    """As if the instance was killed between commit and publish: only comparing versions helps."""
    one, two = await start(), await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    stream = await two.open_stream()
    await stream.until(1)
    bus = one.app[PARTS].bus
    assert isinstance(bus, RabbitBus)
    bus.publish = lambda board, origin=None: None  # type: ignore[method-assign]

    await one.submit(user, "run")

    await stream.until(2, within_seconds=2.0)
    assert two.metric("catch_ups_total", copy="hub") >= 1


async def test_a_board_that_redis_never_got_is_there_within_two_seconds(
    start: Start, database_url: str, redis_url: str
) -> None:
    one = await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    await one.board()
    board = one.app[PARTS].board
    assert isinstance(board, CachedBoard)

    async def lose(board: Board) -> bool:
        return False

    store, board.store = board.store, lose  # type: ignore[method-assign]
    await one.submit(user, "run")
    board.store = store  # type: ignore[method-assign]

    await eventually(lambda: _redis_version(redis_url, 2), within_seconds=2.0)


async def test_a_copy_that_missed_a_board_is_not_served_by_an_instance_that_the_bus_told(
    start: Start, database_url: str
) -> None:
    one, two = await start(reconcile_seconds=60.0), await start(reconcile_seconds=60.0)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    await eventually(lambda: two.app[PARTS].bus.connected and one.app[PARTS].bus.connected)
    assert (await two.board())["version"] == 1

    async def lose(board: Board) -> bool:
        return False

    one.app[PARTS].board.store = lose  # type: ignore[method-assign]
    await one.submit(user, "run")
    await eventually(lambda: two.app[PARTS].hub.version(MAIN) == 2)

    assert (await two.board())["version"] == 2


async def _redis_version(redis_url: str, version: int) -> bool:
    async with Client.from_url(redis_url) as client:
        return int(await client.hget(KEY, "version") or -1) == version


async def test_a_client_that_hangs_up_changes_nothing_about_its_grant(
    start: Start, database_url: str
) -> None:
    """Without the batch's own task, a cancelled handler would take commit and push with it."""
    instance = await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    stream = await instance.open_stream()
    await stream.until(1)
    reader, writer = await asyncio.open_connection(*instance.url.removeprefix("http://").split(":"))
    body = b'{"actionId": "run"}'
    writer.write(
        b"POST /api/actions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
        % (instance.token(user).encode(), len(body), body)
    )
    await writer.drain()
    await eventually(lambda: instance.app[PARTS].submissions._batches._running, every_seconds=0)
    writer.transport.abort()
    del reader

    await stream.until(2)
    assert grants(database_url) == [(user, "run")]


async def test_nothing_after_the_commit_turns_a_reply_into_an_error(
    start: Start, database_url: str
) -> None:
    dead = "127.0.0.1:1"
    instance = await start(redis_url=f"redis://{dead}/0", amqp_url=f"amqp://guest:guest@{dead}/")
    users = add_users(database_url, 5)
    add_actions(database_url, {"run": 50})

    answers = await asyncio.gather(*(instance.submit(user, "run") for user in users))

    assert [status for status, _ in answers] == [200] * 5
    assert instance.metric("cache_stores_failed_total") >= 1
    assert shown((await instance.board())["data"]) == ranking(database_url)


async def test_conflated_boards_are_counted_and_the_last_one_is_never_lost(
    start: Start, database_url: str
) -> None:
    instance = await start(push_interval_seconds=1.0)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {f"a{n}": 1 for n in range(30)})
    stream = await instance.open_stream()
    await stream.until(1)

    for n in range(30):
        await instance.submit(user, f"a{n}")

    await stream.until(31, within_seconds=10.0)
    assert len(stream.versions) < 31
    assert instance.metric("boards_conflated_total") > 0
