"""The board's copy on a real Redis and PostgreSQL: what wins, what is trusted, what replaces it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis.asyncio

from scoreboard.api.checks import Check
from scoreboard.api.rates import RateLimiter
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.errors import LedgerUnavailable
from scoreboard.operations.metrics import Metrics
from scoreboard.scoring.board import KEY, CachedBoard
from scoreboard.scoring.ledger import Ledger
from scoreboard.scoring.model import Board, Submission
from scoreboard.settings import Rate
from tests.eventually import eventually
from tests.proxy import TcpProxy
from tests.samples import a_board, counted
from tests.world import add_actions, add_users

TIMEOUT_SECONDS = 2.0


class CountedRedis(Redis):
    """Counts the reads of hashes."""

    reads = 0

    async def fields(self, key: str, names: Sequence[str]) -> list[bytes | None]:
        self.reads += 1
        return await super().fields(key, names)


class CountedLedger(Ledger):
    """Counts the reads of boards."""

    reads = 0

    async def board(self) -> Board:
        self.reads += 1
        return await super().board()


@dataclass
class Instance:
    """What one instance has of the board."""

    board: CachedBoard
    redis: CountedRedis
    ledger: CountedLedger
    metrics: Metrics

    def reads_from_ledger(self, reason: str) -> float:
        return counted(self.metrics, "board_reads_from_ledger_total", reason=reason)

    async def reconcile(self) -> None:
        """What the relay does once a second."""
        if await self.board.is_behind(await self.ledger.version()):
            await self.board.catch_up(await self.ledger.board())

    async def trust(self) -> None:
        """Compare until no connection was made meanwhile."""
        reads = -1
        while reads != self.ledger.reads:
            reads = self.ledger.reads
            await self.reconcile()
            await self.board.read()


@asynccontextmanager
async def an_instance(redis_url: str, database_url: str) -> AsyncIterator[Instance]:
    client = CountedRedis(redis_url, timeout_seconds=TIMEOUT_SECONDS, name="test board")
    postgres = Postgres(database_url, sessions=2, timeout_seconds=TIMEOUT_SECONDS, name="test")
    ledger, metrics = CountedLedger(postgres, postgres), Metrics()
    copy = CachedBoard(client, ledger, metrics)
    try:
        yield Instance(copy, client, ledger, metrics)
    finally:
        await copy.close()
        await client.close()
        postgres.close()


@pytest.fixture
async def one(redis_url: str, database_url: str) -> AsyncIterator[Instance]:
    async with an_instance(redis_url, database_url) as instance:
        yield instance


@pytest.fixture
async def two(redis_url: str, database_url: str) -> AsyncIterator[Instance]:
    async with an_instance(redis_url, database_url) as instance:
        yield instance


@pytest.fixture
async def admin(redis_url: str) -> AsyncIterator[Any]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        yield client


@asynccontextmanager
async def through_proxy(url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A line to a server that can be cut, and the address to use."""
    parts = urlsplit(url)
    async with TcpProxy(parts.hostname or "", parts.port or 0) as proxy:
        user = f"{parts.username}@" if parts.username else ""
        yield proxy, urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}"))


async def plant(admin: Any, board: Board) -> None:
    """Put a board into Redis whatever is there, as a restart from an old snapshot does."""
    await admin.hset(KEY, mapping={"version": board.version, "board": board.to_json()})


async def play(instance: Instance, database_url: str, grants: int = 3) -> Board:
    """Make the ledger's board so much newer than the first; tell nobody."""
    users = add_users(database_url, grants)
    add_actions(database_url, {"run": 10})
    for user in users:
        await instance.ledger.grant([Submission(user, "run")])
    return await Ledger.board(instance.ledger)


# --- a newer board wins


async def test_a_newer_board_wins_whoever_stores_and_in_whatever_order(
    one: Instance, two: Instance, admin: Any
) -> None:
    """Without the comparison inside Redis an instance that is late puts an older board back."""
    versions = [*range(1, 150)] * 2
    random.Random(1).shuffle(versions)
    seen: list[int] = []
    storing = True

    async def watch() -> None:
        while storing:
            version, text = await admin.hmget(KEY, ["version", "board"])
            if version is not None:
                seen.append(int(version))
                assert Board.from_json(text).version == int(version)

    async def store(instance: Instance, mine: list[int]) -> None:
        for version in mine:
            await instance.board.store(a_board(version))

    watching = asyncio.create_task(watch())
    half = len(versions) // 2
    await asyncio.gather(store(one, versions[:half]), store(two, versions[half:]))
    storing = False
    await watching

    assert seen == sorted(seen)
    assert await one.board.version() == await two.board.version() == 149


async def test_versions_are_compared_as_numbers(one: Instance) -> None:
    for version in (9, 10, 9_999_999_999, 10_000_000_000, 9):
        await one.board.store(a_board(version))

    assert await one.board.version() == 10_000_000_000


async def test_the_stores_of_one_moment_share_a_round_trip(one: Instance, admin: Any) -> None:
    await one.board.store(a_board(1))
    before = await _commands(admin, "evalsha")

    await asyncio.gather(*(one.board.store(a_board(version)) for version in range(2, 200)))

    assert await _commands(admin, "evalsha") - before <= 2
    assert await one.board.version() == 199


async def _commands(admin: Any, name: str) -> int:
    statistics = await admin.info("commandstats")
    return int(statistics.get(f"cmdstat_{name}", {"calls": 0})["calls"])


async def test_what_one_instance_stored_the_next_read_of_another_finds(
    one: Instance, two: Instance, database_url: str
) -> None:
    """Promise 4: after a 200, the next GET on any instance shows a board at least that new."""
    await two.trust()
    users = add_users(database_url, 20)
    add_actions(database_url, {"run": 10})

    for user in users:
        granted = await one.ledger.grant([Submission(user, "run")])
        if granted.board is not None:
            await one.board.store(granted.board)
            assert (await two.board.read()).version >= granted.board.version


# --- reading


async def test_a_copy_that_is_missing_is_rebuilt_from_the_ledger(
    one: Instance, two: Instance, database_url: str, admin: Any
) -> None:
    truth = await play(one, database_url)
    await one.trust()
    await admin.flushdb()

    assert await one.board.read() == truth
    assert one.reads_from_ledger("missing") == 1
    assert await two.board.version() == truth.version


async def test_a_copy_that_is_trusted_costs_the_ledger_nothing(
    one: Instance, database_url: str
) -> None:
    truth = await play(one, database_url)
    await one.trust()
    reads = one.ledger.reads

    for _ in range(20):
        assert await one.board.read() == truth

    assert one.ledger.reads == reads


async def test_the_reads_of_one_moment_share_a_round_trip(one: Instance) -> None:
    await one.trust()
    reads = one.redis.reads

    boards = await asyncio.gather(*(one.board.read() for _ in range(500)))

    assert len({board.version for board in boards}) == 1
    assert one.redis.reads - reads <= 2


async def test_the_ledger_is_read_once_for_all_who_ask_at_the_same_moment(
    one: Instance, admin: Any
) -> None:
    """A Redis that lost everything must not turn every reader upon PostgreSQL."""
    await one.trust()
    await admin.flushdb()
    reads = one.ledger.reads

    await asyncio.gather(*(one.board.read() for _ in range(500)))

    assert one.ledger.reads - reads == 1


@pytest.mark.parametrize(
    "garbage",
    [
        {"version": "7", "board": "{"},
        {"version": "7", "board": "[]"},
        {"version": "seven", "board": "{}"},
        {"version": "7"},
        {"board": "{}"},
    ],
)
async def test_a_copy_that_cannot_be_read_is_no_copy(
    one: Instance, database_url: str, admin: Any, garbage: dict[str, str]
) -> None:
    """Else everybody gets 500 until the next change."""
    truth = await play(one, database_url)
    await one.trust()
    await admin.delete(KEY)
    await admin.hset(KEY, mapping=garbage)

    assert await one.board.read() == truth
    await one.reconcile()
    assert await one.board.read() == truth


# --- what a limit check brings along


async def seen_by_a_check(instance: Instance) -> Board | None:
    """Count a request, as every request is; the board that is known from it without a read."""
    limiter = RateLimiter(instance.redis, instance.metrics, instance.board.vouched)
    try:
        return (await limiter.check([Check("ip", "somebody", Rate(1000, 1))])).board
    finally:
        await limiter.close()


async def test_a_check_brings_the_board_along_and_saves_the_read(
    one: Instance, database_url: str
) -> None:
    truth = await play(one, database_url)
    await one.trust()
    reads = one.redis.reads

    assert await seen_by_a_check(one) == truth
    assert one.redis.reads == reads


async def test_a_board_that_another_instance_stored_is_read_and_not_an_older_one_assumed(
    one: Instance, two: Instance, database_url: str
) -> None:
    """Promise 4, where the check is all that asks Redis."""
    await one.trust()
    await two.trust()
    newer = await play(two, database_url)
    await two.board.store(newer)

    assert await seen_by_a_check(one) is None
    assert await one.board.read() == newer
    assert await seen_by_a_check(one) == newer


async def test_a_redis_that_came_back_vouches_for_nothing_before_it_was_compared(
    one: Instance, database_url: str, admin: Any
) -> None:
    """It came back with the board that this instance holds, and the ledger has a newer one."""
    await one.trust()
    held = await one.board.read()
    await play(one, database_url)
    await _restart_with(admin, held)
    await eventually(lambda: _answers(one))

    assert await seen_by_a_check(one) is None
    assert counted(one.metrics, "rate_limit_checks_local_total") == 0  # Redis said it


async def _answers(instance: Instance) -> bool:
    try:
        await instance.redis.ping()
    except RedisUnavailable:
        return False
    return True


@pytest.mark.parametrize("garbage", [{"version": "seven"}, {"board": "{}"}, "no hash"])
async def test_a_copy_that_cannot_be_read_vouches_for_nothing_and_breaks_no_limit(
    one: Instance, admin: Any, garbage: Any
) -> None:
    await one.trust()
    await admin.delete(KEY)
    if isinstance(garbage, str):
        await admin.set(KEY, garbage)
    else:
        await admin.hset(KEY, mapping=garbage)

    assert await seen_by_a_check(one) is None
    assert counted(one.metrics, "rate_limit_checks_local_total") == 0


# --- whether to trust it


async def test_an_older_copy_is_not_served_once_a_newer_board_is_known(
    one: Instance, database_url: str, admin: Any
) -> None:
    truth = await play(one, database_url)
    await one.board.store(truth)
    await one.trust()
    await plant(admin, a_board(truth.version - 1))

    assert await one.board.read() == truth
    assert one.reads_from_ledger("older") == 1
    assert await one.board.version() == truth.version  # and mended


async def test_a_copy_is_not_trusted_before_it_was_compared(
    one: Instance, database_url: str, admin: Any
) -> None:
    truth = await play(one, database_url)
    await plant(admin, a_board(1))

    assert await one.board.read() == truth
    assert one.reads_from_ledger("unconfirmed") == 1


async def test_a_redis_that_came_back_with_an_older_board_is_not_trusted(
    one: Instance, database_url: str, admin: Any
) -> None:
    """The board it came back with is newer than any this instance saw: that it had to connect anew
    is all that tells it.
    """
    await one.trust()
    truth = await play(one, database_url)
    await _restart_with(admin, a_board(truth.version - 1))

    assert await one.board.read() == truth
    assert one.reads_from_ledger("unconfirmed") + one.reads_from_ledger("away") >= 1

    await eventually(lambda: _is_level(one, truth))
    await one.trust()
    reads = one.ledger.reads
    assert await one.board.read() == truth
    assert one.ledger.reads == reads  # trusted again


async def _restart_with(admin: Any, board: Board) -> None:
    """What a client sees of a restart: its connections have ended, and other data is there."""
    await plant(admin, board)
    await admin.client_kill_filter(_type="normal", skipme=True)

    async def all_have_ended() -> bool:
        return not await _connections(admin, "test-board")

    await eventually(all_have_ended)


async def test_a_connection_that_was_made_anew_without_a_failed_call_is_noticed_too(
    one: Instance, database_url: str, admin: Any
) -> None:
    """redis-py connects again by itself when it finds a connection ended before it sends."""
    await one.trust()
    truth = await play(one, database_url)
    await plant(admin, a_board(truth.version - 1))
    await one.redis._client.connection_pool.disconnect()

    assert await one.board.read() == truth
    assert one.reads_from_ledger("away") == 0


async def _is_level(instance: Instance, truth: Board) -> bool:
    await instance.reconcile()
    return not instance.redis.away and await instance.board.version() == truth.version


async def test_the_comparison_finds_a_copy_that_is_behind(one: Instance, database_url: str) -> None:
    """An instance was killed between COMMIT and store."""
    await one.trust()
    truth = await play(one, database_url)

    assert await one.board.is_behind(truth.version)
    await one.board.catch_up(truth)
    assert not await one.board.is_behind(truth.version)
    assert await one.board.read() == truth


# --- when a server is away


async def test_while_redis_is_away_the_board_comes_from_the_ledger(
    redis_url: str, database_url: str
) -> None:
    async with (
        through_proxy(redis_url) as (proxy, url),
        an_instance(url, database_url) as instance,
    ):
        truth = await play(instance, database_url)
        await instance.trust()
        await proxy.cut()

        boards = await asyncio.gather(*(instance.board.read() for _ in range(50)))
        await instance.board.store(truth)  # does not raise

        assert set(boards) == {truth}
        assert instance.reads_from_ledger("away") == 1
        assert counted(instance.metrics, "cache_stores_failed_total") >= 1
        assert not await instance.board.is_behind(truth.version)  # there is nothing to mend

        await proxy.heal()
        await eventually(lambda: _is_level(instance, truth))


async def test_while_postgresql_is_away_the_trusted_copy_is_served(
    redis_url: str, database_url: str
) -> None:
    async with (
        through_proxy(database_url) as (proxy, url),
        an_instance(redis_url, url) as instance,
    ):
        truth = await play(instance, database_url)
        await instance.trust()
        await proxy.cut()

        assert await instance.board.read() == truth


async def test_a_copy_in_doubt_is_better_than_none_while_postgresql_is_away(
    redis_url: str, database_url: str, admin: Any
) -> None:
    await plant(admin, a_board(5))
    async with (
        through_proxy(database_url) as (proxy, url),
        an_instance(redis_url, url) as instance,
    ):
        await proxy.cut()

        assert (await instance.board.read()).version == 5


async def test_while_both_are_away_the_newest_known_board_is_served(
    redis_url: str, database_url: str
) -> None:
    async with (
        through_proxy(redis_url) as (redis_proxy, redis_address),
        through_proxy(database_url) as (postgres_proxy, database_address),
        an_instance(redis_address, database_address) as instance,
    ):
        truth = await play(instance, database_url)
        await instance.board.store(truth)
        await instance.board.store(a_board(1))
        await redis_proxy.cut()
        await postgres_proxy.cut()

        assert await instance.board.read() == truth


async def test_without_any_board_to_give_the_reader_hears_that_the_ledger_is_away(
    redis_url: str, database_url: str
) -> None:
    async with (
        through_proxy(database_url) as (proxy, url),
        an_instance(redis_url, url) as instance,
    ):
        await proxy.cut()

        with pytest.raises(LedgerUnavailable):
            await instance.board.read()


# --- the end


async def test_a_read_under_way_at_the_end_is_finished(
    one: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stores what the ledger gave, so stores are the last to close."""
    asked, answer = asyncio.Event(), asyncio.Event()
    read = one.ledger.board

    async def slow_board() -> Board:
        asked.set()
        await answer.wait()
        return await read()

    monkeypatch.setattr(one.ledger, "board", slow_board)
    reading = asyncio.create_task(one.board.read())
    await asked.wait()
    closing = asyncio.create_task(one.board.close())
    await asyncio.sleep(0)
    answer.set()
    await closing

    assert (await reading).version == 1


async def test_closing_leaves_no_connection_open(redis_url: str, admin: Any) -> None:
    client = Redis(redis_url, timeout_seconds=TIMEOUT_SECONDS, name="test closing")
    await asyncio.gather(*(client.ping() for _ in range(4)))
    assert await _connections(admin, "test-closing")

    await client.close()

    async def none_is_left() -> bool:
        return not await _connections(admin, "test-closing")

    await eventually(none_is_left)


async def _connections(admin: Any, name: str) -> list[dict[str, str]]:
    return [client for client in await admin.client_list() if client["name"] == name]
