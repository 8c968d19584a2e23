"""The outage table: what goes on, what is refused and how it heals when a server is away."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
import redis

from scoreboard.model import MAIN
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.granting import commits
from tests.instances import Instance, Start
from tests.lines import Line
from tests.servers import PostgresServer, RedisServer
from tests.servers.scoreboard import ScoreboardServer
from tests.world import add_actions, add_users, board_version, grants, ledger_sums, scores, sql


async def submits(instance: Instance, user: str, action: str) -> bool:
    status, _ = await instance.submit(user, action)
    return status == 200


# --- PostgreSQL ---


@pytest.mark.parametrize("how", ["cut", "black hole"])
async def test_without_postgresql_writes_get_503_and_the_board_and_streams_go_on(
    start: Start, database_url: str, database_line: Line, how: str
) -> None:
    instance = await start(database_url=database_line.url, database_timeout_seconds=1.0)
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 5})
    stream = await instance.open_stream()
    assert await submits(instance, users[0], "run")
    await stream.until(2)
    await eventually(lambda: _is_trusted(instance))

    if how == "cut":
        await database_line.proxy.cut()
    else:
        database_line.proxy.black_hole()
    async with asyncio.timeout(15):  # bounded, whatever the server does
        async with instance.client.post(
            "/api/actions", json={"actionId": "run"}, headers=instance.bearer(users[1])
        ) as response:
            assert response.status == 503
            assert response.headers["Retry-After"]
            assert (await response.json())["code"] == "ledger_unavailable"
        assert (await instance.board())["version"] == 2
    assert not stream.ended

    await database_line.proxy.heal()
    await eventually(lambda: _settled(instance, users[1], "run"), within_seconds=10.0)
    await stream.until(3)


async def _is_trusted(instance: Instance) -> bool:
    before = instance.metric("board_reads_from_ledger_total", reason="unconfirmed")
    await instance.board()
    return instance.metric("board_reads_from_ledger_total", reason="unconfirmed") == before


async def _settled(instance: Instance, user: str, action: str) -> bool:
    """The retry is safe: granted now, or told that it was granted by the try before."""
    status, document = await instance.submit(user, action)
    return status == 200 or document["code"] == "already_granted"


async def test_without_postgresql_what_is_known_to_be_revoked_stays_so(
    start: Start, database_url: str, database_line: Line
) -> None:
    """What is revoked meanwhile, by way of a line that holds, is learnt when ours is healed."""
    instance = await start(
        database_url=database_line.url, database_timeout_seconds=1.0, require_token_to_read=True
    )
    users = add_users(database_url, 2)
    early, late = (instance.bearer(user) for user in users)

    async def reads(bearer: dict[str, str]) -> bool:
        async with instance.client.get("/api/leaderboard", headers=bearer) as response:
            return response.status == 200

    async def is_put_out(bearer: dict[str, str]) -> bool:
        return not await reads(bearer)

    assert await reads(early)
    sql(database_url, "DELETE FROM users WHERE user_id = %s", (users[0],))
    await eventually(lambda: is_put_out(early))
    stream = await instance.open_stream(headers=late)

    database_line.proxy.black_hole()
    sql(database_url, "DELETE FROM users WHERE user_id = %s", (users[1],))
    await eventually(lambda: instance.metric("revocation_reads_failed_total") > 0)
    assert await is_put_out(early)
    assert await reads(late)
    assert not stream.ended

    await database_line.proxy.heal()
    await eventually(lambda: is_put_out(late))
    await eventually(lambda: stream.ended)
    assert await is_put_out(early)


async def test_a_connection_lost_between_commit_and_its_answer_grants_once_and_tells_everybody(
    start: Start, database_url: str, database_line: Line
) -> None:
    instance = await start(database_url=database_line.url)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    stream = await instance.open_stream()
    await stream.until(1)

    database_line.proxy.drop_replies_after(commits)
    status, document = await instance.submit(user, "run")
    assert (status, document["code"]) == (503, "ledger_unavailable")
    await stream.until(2, within_seconds=2.0)  # committed, though nobody here was told

    status, document = await instance.submit(user, "run")
    assert (status, document["code"]) == (400, "already_granted")
    assert document["grant"]["points"] == 5
    assert grants(database_url) == [(user, "run")]


async def test_after_a_restart_of_postgresql_no_dead_connection_is_handed_out_twice(
    start: Start, database_url: str, postgres_under_fault: PostgresServer
) -> None:
    instance = await start()
    users = add_users(database_url, 40)
    add_actions(database_url, {"run": 5})
    assert await submits(instance, users[0], "run")

    await asyncio.to_thread(postgres_under_fault.restart)

    answers = [await instance.submit(user, "run") for user in users[1:]]
    refused = [document["code"] for status, document in answers if status != 200]
    assert set(refused) <= {"ledger_unavailable"}
    assert len(refused) <= 2  # each of the two dead connections is found once
    assert scores(database_url) == ledger_sums(database_url)


async def test_postgresql_that_hangs_costs_a_bounded_wait_and_is_back_by_itself(
    start: Start, database_url: str, postgres_under_fault: PostgresServer
) -> None:
    instance = await start(database_timeout_seconds=1.0)
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 5})
    assert await submits(instance, users[0], "run")

    postgres_under_fault.pause()
    async with asyncio.timeout(15):
        status, _ = await instance.submit(users[1], "run")
        assert status == 503
        await instance.board()
    postgres_under_fault.resume()

    await eventually(lambda: _settled(instance, users[1], "run"), within_seconds=10.0)


# --- Redis ---


@pytest.mark.parametrize("how", ["cut", "black hole"])
async def test_without_redis_everything_goes_on_and_the_copy_is_rebuilt_on_return(
    start: Start, database_url: str, redis_url: str, redis_line: Line, how: str
) -> None:
    instance = await start(redis_url=redis_line.url)
    users = add_users(database_url, 3)
    add_actions(database_url, {"run": 5})
    stream = await instance.open_stream()
    assert await submits(instance, users[0], "run")

    if how == "cut":
        await redis_line.proxy.cut()
    else:
        redis_line.proxy.black_hole()
    async with asyncio.timeout(15):
        assert await submits(instance, users[1], "run")
        assert len((await instance.board())["data"]) == 2
        await stream.until(3)
    assert instance.metric("board_reads_from_ledger_total", reason="away") >= 1

    await redis_line.proxy.heal()
    await eventually(lambda: _cached_version(redis_url) == 3, within_seconds=3.0)


async def test_the_return_of_redis_is_known_at_once_and_its_copy_is_trusted_again(
    start: Start, redis_line: Line
) -> None:
    """Nobody waits for the next probe, nor for the next comparison."""
    instance = await start(redis_url=redis_line.url, reconcile_seconds=60)
    health = instance.app[PARTS].health
    health.probe_seconds = 3600.0
    health.probe_now("redis")

    def says_that_redis_is(up: bool) -> bool:
        parts = health.report()["parts"]
        return [part["up"] for part in parts if part["name"] == "redis"] == [up]

    for _ in range(3):
        await eventually(lambda: says_that_redis_is(True))
        await eventually(lambda: _is_trusted(instance))
        await redis_line.proxy.cut()
        await instance.board()
        await eventually(lambda: says_that_redis_is(False))
        await redis_line.proxy.heal()


async def test_redis_that_restarts_empty_is_filled_again(
    start: Start, database_url: str, redis_url: str, redis_under_fault: RedisServer
) -> None:
    instance = await start()
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 5})
    assert await submits(instance, users[0], "run")

    await asyncio.to_thread(redis_under_fault.restart)

    assert (await instance.board())["version"] == 2
    await eventually(lambda: _cached_version(redis_url) == 2, within_seconds=3.0)
    assert await submits(instance, users[1], "run")


async def test_redis_that_comes_back_with_an_older_board_is_never_believed(
    start: Start, database_url: str, redis_url: str, redis_under_fault: RedisServer
) -> None:
    """Without `generation`, another instance reads the old board until somebody mends it."""
    one, two = await start(), await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5, "swim": 7})
    assert await submits(one, user, "run")
    with redis.Redis.from_url(redis_url) as client:
        old = client.hgetall("leaderboard")
    assert await submits(one, user, "swim")

    await asyncio.to_thread(redis_under_fault.restart)
    with redis.Redis.from_url(redis_url) as client:
        client.hset("leaderboard", mapping=old)

    for instance in (one, two):
        assert (await instance.board())["version"] == 3
    await eventually(lambda: _cached_version(redis_url) == 3, within_seconds=3.0)


async def test_a_full_redis_refuses_writes_and_the_service_goes_on(
    start: Start, database_url: str, redis_url: str
) -> None:
    instance = await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    await instance.board()
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", "1")
        try:
            assert await submits(instance, user, "run")
            assert (await instance.board())["version"] == 2
        finally:
            client.config_set("maxmemory", "0")
    await eventually(lambda: _cached_version(redis_url) == 2, within_seconds=3.0)


def _cached_version(redis_url: str) -> int:
    with suppress(redis.ConnectionError), redis.Redis.from_url(redis_url) as client:
        return int(client.hget("leaderboard", "version") or -1)
    return -1


async def test_a_fresh_instance_without_postgresql_and_redis_answers_what_its_streams_show(
    start: Start, database_url: str, database_line: Line, redis_line: Line
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    one = await start()
    fresh = await start(
        database_url=database_line.url, redis_url=redis_line.url, database_timeout_seconds=1.0
    )
    await eventually(lambda: fresh.app[PARTS].hub.version(MAIN) == 1)

    await database_line.proxy.cut()
    await redis_line.proxy.cut()
    assert await submits(one, user, "run")
    await eventually(
        lambda: fresh.app[PARTS].hub.version(MAIN) == 2
    )  # which RabbitMQ alone told it

    assert (await fresh.board())["version"] == 2


# --- RabbitMQ ---


@pytest.mark.parametrize("how", ["cut", "black hole"])
async def test_without_rabbitmq_other_instances_catch_up_within_two_seconds(
    start: Start, database_url: str, amqp_line: Line, how: str
) -> None:
    one, two = await start(amqp_url=amqp_line.url), await start(amqp_url=amqp_line.url)
    [user] = add_users(database_url, 1)
    # Each of them changes the board, for as long as it takes.
    add_actions(database_url, {f"a{n}": 1 for n in range(200)})
    actions = iter([f"a{n}" for n in range(200)])
    stream = await two.open_stream()
    assert await submits(one, user, next(actions))
    await stream.until(2)

    if how == "cut":
        await amqp_line.proxy.cut()
    else:
        amqp_line.proxy.black_hole()
    assert await submits(one, user, next(actions))
    await stream.until(3, within_seconds=2.0)

    await amqp_line.proxy.heal()
    received = two.metric("events_received_total")

    async def is_heard_by_bus() -> bool:
        await one.submit(user, next(actions))
        return two.metric("events_received_total") > received

    await eventually(is_heard_by_bus, within_seconds=25.0, every_seconds=0.3)


# --- an instance ---


async def test_an_instance_killed_under_load_loses_nothing_that_it_acknowledged(
    start: Start, database_url: str, redis_url: str, amqp_url: str
) -> None:
    survivor = await start()
    users = add_users(database_url, 40)
    add_actions(database_url, {f"a{n}": n + 1 for n in range(5)})
    stream = await survivor.open_stream()
    mortal = ScoreboardServer(database_url, redis_url, amqp_url)
    await asyncio.to_thread(mortal.start)
    acknowledged: list[tuple[str, str]] = []

    async def play(user: str) -> None:
        for n in range(5):
            with suppress(OSError, asyncio.TimeoutError):
                async with survivor.client.post(
                    f"{mortal.url}/api/actions",
                    json={"actionId": f"a{n}"},
                    headers=survivor.bearer(user),
                ) as response:
                    if response.status == 200:
                        acknowledged.append((user, f"a{n}"))

    playing = asyncio.gather(*(play(user) for user in users), return_exceptions=True)
    await eventually(lambda: len(acknowledged) >= 20, every_seconds=0.001)
    await asyncio.to_thread(mortal.kill)
    await playing
    mortal.destroy()

    await stream.until(board_version(database_url), within_seconds=2.0)
    assert set(acknowledged) <= set(grants(database_url))
    assert len(grants(database_url)) == len(set(grants(database_url)))
    assert scores(database_url) == ledger_sums(database_url)
