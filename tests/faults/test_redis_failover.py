"""Redis with a replica that Sentinels promote: the address names the Sentinels."""

from __future__ import annotations

import asyncio
import runpy
import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import redis

from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.parts import PARTS
from tests.commands import command
from tests.deployment.files import DOCKER
from tests.eventually import eventually
from tests.five_boards import end_season
from tests.instances import Instance, Start
from tests.load import a_load
from tests.reckoning import a_game, everybody_turns, reckon
from tests.servers.installation import REDIS, provide
from tests.servers.redis import ask
from tests.servers.redis_sentinel import RedisTrio
from tests.world import add_actions, add_users

pytestmark = pytest.mark.timeout(120)

PROMOTED_SECONDS = 30.0


@pytest.fixture(params=["plain"])
def trio(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisTrio]:
    """Primary, replica and three Sentinels."""
    provide(REDIS)
    with RedisTrio(certificate(tmp_path) if request.param == "encrypted" else None) as trio:
        yield trio


def certificate(directory: Path) -> Path:
    """Make a certificate for this machine there, that only its own holders believe. Answers the
    directory that has it and its key.
    """
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, as docker/make_secrets.py does")
    runpy.run_path(str(DOCKER / "make_secrets.py"))["certificate"](directory)
    return directory / "nginx"


@pytest.fixture
def redis_url(trio: RedisTrio) -> str:
    return trio.url


@pytest.mark.parametrize("how", ["is killed", "hangs"])
async def test_when_the_primary_fails_the_service_goes_on_and_follows_the_promotion(
    start: Start, database_url: str, trio: RedisTrio, how: str
) -> None:
    """A primary that only hung wakes up as one, until a Sentinel tells it otherwise."""
    # A Sentinel has a quarter of this to answer in, and the machine is busy.
    instances = [await start(redis_timeout_seconds=1.5) for _ in range(2)]
    doors = [instance.url for instance in instances]
    async with a_load(lambda: doors, a_game(database_url)) as load:
        if how == "is killed":
            await asyncio.to_thread(trio.primary.kill)
        else:
            await asyncio.to_thread(trio.primary.pause)
        await load.flows()  # nobody waits for the Sentinels
        await everybody_turns(load, await end_season(database_url))
        await eventually(trio.promoted, within_seconds=PROMOTED_SECONDS)
        trio.primary.heal()
        if how == "hangs":
            # Until then (8 s at least) it takes writes, from connections that it had before.
            await eventually(trio.demoted, within_seconds=PROMOTED_SECONDS)
        await eventually(lambda: all(map(uses_redis, instances)), within_seconds=PROMOTED_SECONDS)
        await load.flows()
        await reckon(load, database_url, trio.replica.url)


def uses_redis(instance: Instance) -> bool:
    """Whether readiness says so; a part is asked every two seconds."""
    [part] = [
        part for part in instance.app[PARTS].health.report()["parts"] if part["name"] == "redis"
    ]
    return bool(part["up"])


async def test_a_promoted_replica_with_an_older_board_is_never_believed(
    start: Start, database_url: str, trio: RedisTrio
) -> None:
    """Replication is asynchronous, so this is what a failover may bring."""
    one, two = await start(), await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5, "swim": 7})
    assert (await one.submit(user, "run"))[0] == 200
    await eventually(lambda: ask(trio.replica, "HGET", "leaderboard", "version") == b"2")
    with closing(redis.Redis.from_url(trio.replica.url)) as client:
        old = client.hgetall("leaderboard")
        assert (await one.submit(user, "swim"))[0] == 200
        await eventually(lambda: client.hget("leaderboard", "version") == b"3")
        client.config_set("replica-read-only", "no")
        client.hset("leaderboard", items=[part for pair in old.items() for part in pair])

    trio.primary.kill()
    while not trio.promoted():
        for instance in (one, two):
            assert (await instance.board())["version"] == 3
        await asyncio.sleep(0.05)
    await eventually(lambda: ask(trio.replica, "HGET", "leaderboard", "version") == b"3")
    for instance in (one, two):
        assert (await instance.board())["version"] == 3
    environment = {
        "SCOREBOARD_DATABASE_URL": database_url,
        "SCOREBOARD_REDIS_URL": trio.url,
        "SCOREBOARD_REDIS_TIMEOUT_SECONDS": "10",
    }
    assert await command(environment, "board", "verify") == (
        0,
        "All agree: every score is what the ledger says, and Redis has the board, version 3.\n",
    )


async def test_a_server_that_is_a_replica_by_now_is_not_taken_for_the_primary(
    trio: RedisTrio,
) -> None:
    """Whom a Sentinel names may have been demoted since; its board would be of yesterday."""
    before, after = (Redis(trio.url, timeout_seconds=2.0, name=name) for name in "ab")
    store = before.script("return redis.call('SET', KEYS[1], ARGV[1])")
    assert await store(["key"], ["value"]) == b"OK"

    ask(trio.primary, "REPLICAOF", "127.0.0.1", str(trio.replica.port))
    with pytest.raises(RedisUnavailable):
        await store(["key"], ["value"])
    with pytest.raises(RedisUnavailable, match="slave"):
        await after.ping()
    await before.close()
    await after.close()


async def test_a_connection_that_was_in_use_when_the_primary_changed_is_not_used_again(
    trio: RedisTrio,
) -> None:
    """A primary that only hung wakes up as one, and shows what it had; Sentinels take 8 s to demote
    it.
    """
    client, other = (Redis(trio.url, timeout_seconds=5.0, name=name) for name in "ab")
    store = client.script("return redis.call('SET', KEYS[1], ARGV[1])")
    read = client.script("return redis.call('GET', KEYS[1])")
    await store(["key"], ["before"])
    assert await read(["key"], []) == b"before"  # each server knows the script from here on
    used = await client.pool.get_connection()
    trio.primary.pause()

    async def reaches_the_promoted_one() -> bool:
        with suppress(RedisUnavailable):
            await other.ping()
            return True
        return False

    # Not by `client`: a call of its own that failed would end all of its connections.
    await eventually(reaches_the_promoted_one, within_seconds=PROMOTED_SECONDS)
    await store(["key"], ["after"])
    assert await read(["key"], []) == b"after"
    trio.primary.resume()
    await client.pool.release(used)

    # Each connection has its turn.
    assert [await read(["key"], []) for _ in range(2)] == [b"after", b"after"]
    await client.close()
    await other.close()


async def test_a_sentinel_that_hangs_costs_a_moment_and_not_the_answer(trio: RedisTrio) -> None:
    trio.sentinels[0].pause()
    client = Redis(trio.url, timeout_seconds=2.0, name="test")
    await client.ping()
    await client.close()


async def test_no_sentinel_is_forgotten_when_many_ask_and_the_first_one_hangs(
    trio: RedisTrio,
) -> None:
    trio.sentinels[0].pause()
    client = Redis(trio.url, timeout_seconds=8.0, name="test")
    await asyncio.gather(*(client.ping() for _ in range(4)))

    assert client._sentinels is not None
    assert len(set(client._sentinels.sentinels)) == 3
    await client.close()


encrypted = pytest.mark.parametrize("trio", ["encrypted"], indirect=True)


@encrypted
async def test_servers_and_sentinels_with_tls_alone_are_reached_before_and_after_a_failover(
    start: Start, database_url: str, trio: RedisTrio
) -> None:
    instance = await start(redis_timeout_seconds=1.5)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5, "swim": 7})

    def has(version: bytes) -> bool:
        return bool(ask(trio.replica, "HGET", "leaderboard", "version") == version)

    assert (await instance.submit(user, "run"))[0] == 200
    await eventually(lambda: has(b"2"), within_seconds=PROMOTED_SECONDS)

    trio.primary.kill()
    await eventually(trio.promoted, within_seconds=PROMOTED_SECONDS)
    await eventually(lambda: uses_redis(instance), within_seconds=PROMOTED_SECONDS)
    assert (await instance.submit(user, "swim"))[0] == 200
    await eventually(lambda: has(b"3"), within_seconds=PROMOTED_SECONDS)


@encrypted
async def test_a_certificate_that_nobody_vouches_for_is_not_believed(trio: RedisTrio) -> None:
    client = Redis(trio.url.partition("?")[0], timeout_seconds=30.0, name="test")
    with pytest.raises(RedisUnavailable, match="no Sentinel names a primary games"):
        await client.ping()
    await client.close()
