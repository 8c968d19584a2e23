"""What is shown when: the table of docs/consistency.md below promise 4, row by row, on a real Redis
and PostgreSQL. A ledger is made silent by a lock that somebody holds; deadlines are so long that
whoever waits for it is found out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from scoreboard.configuration.kinds import Rate
from scoreboard.copies.board import PATIENCE_SECONDS
from scoreboard.copies.copy import version_field
from scoreboard.copies.trust import settled_after
from scoreboard.limits.checks import Check, HashField
from scoreboard.limits.rates import RateLimiter
from scoreboard.live import relay
from scoreboard.model import MAIN, ON_ITS_WAY_SECONDS, Board
from tests.eventually import eventually
from tests.integration.board_world import (
    Instance,
    an_instance,
    plant,
    play,
    through_proxy,
    version_in,
)
from tests.samples import a_board, counted
from tests.world import holding, waits_for_lock

LOCK = "LOCK TABLE board IN ACCESS EXCLUSIVE MODE"
ENDLESS = 600.0


@pytest.fixture
async def patient(redis_url: str, database_url: str) -> AsyncIterator[Instance]:
    """An instance that would wait for PostgreSQL longer than any test."""
    async with an_instance(redis_url, database_url, timeout_seconds=ENDLESS) as instance:
        yield instance


@pytest.fixture
async def other(redis_url: str, database_url: str) -> AsyncIterator[Instance]:
    async with an_instance(redis_url, database_url) as instance:
        yield instance


@asynccontextmanager
async def comparing(instance: Instance) -> AsyncIterator[asyncio.Task[None]]:
    """A comparison whose question the ledger has not answered yet."""
    asked = instance.ledger.asked
    task = asyncio.create_task(instance.reconcile())
    await eventually(lambda: instance.ledger.asked > asked, every_seconds=0)
    yield task
    await task


def in_doubt(instance: Instance) -> float:
    return counted(instance.metrics, "board_reads_in_doubt_total")


# --- shown at once, and proved


async def test_a_trusted_copy_is_shown_while_a_comparison_waits_for_a_silent_ledger(
    patient: Instance, other: Instance, database_url: str
) -> None:
    await patient.trust()
    newer = await play(other, database_url)
    await other.board.store(newer)
    with holding(database_url, LOCK) as lock:
        async with asyncio.timeout(20), comparing(patient):
            await eventually(lambda: waits_for_lock(database_url))
            for _ in range(20):
                reading = await patient.board.read()
                assert (reading.board, reading.age_seconds) == (newer, None)
            lock.rollback()
    assert in_doubt(patient) == 0


async def test_while_redis_is_about_to_get_our_board_that_one_is_shown_and_the_ledger_not_asked(
    redis_url: str, database_url: str
) -> None:
    """Whoever was told 200 was told of what Redis has; the newer one is no secret."""
    async with an_instance(redis_url, database_url, on_its_way_seconds=ENDLESS) as reader:
        await reader.trust()
        newer = await play(reader, database_url)
        reader.board.hear_of(newer)
        reads = reader.ledger.reads

        assert reader.confirmed(b"1") == newer
        assert await reader.read() == newer
        assert reader.confirmed(b"%d" % (newer.version + 1)) is None
        assert reader.confirmed(b"-1") is reader.confirmed(b"one") is None
        assert reader.ledger.reads == reads


async def test_a_board_that_redis_does_not_get_in_time_makes_the_ledger_be_asked(
    patient: Instance, other: Instance, database_url: str
) -> None:
    """Who committed it does not reach Redis, and may have told of more than this instance heard."""
    await patient.trust()
    heard = await play(other, database_url)
    patient.board.hear_of(heard)
    await play(other, database_url, 1)  # of which nobody hears

    async def asks() -> bool:
        return (await patient.read()).version == heard.version + 1

    await eventually(asks)
    assert patient.reads_from_ledger("older") == 1


async def test_each_board_has_its_own_time_to_come(
    patient: Instance, other: Instance, database_url: str
) -> None:
    """On a busy board there is always one on its way."""
    await patient.trust()
    for _ in range(3):
        newer = await play(other, database_url, 1)
        patient.board.hear_of(newer)
        assert await patient.read() == newer
        await asyncio.sleep(ON_ITS_WAY_SECONDS)
        await other.board.store(newer)
    assert patient.reads_from_ledger("older") == 0


async def test_a_store_that_a_comparison_meets_takes_no_trust_and_counts_as_no_mend(
    patient: Instance, other: Instance, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "ON_ITS_WAY_SECONDS", 2.0)
    await patient.trust()
    mended = counted(patient.metrics, "catch_ups_total", copy="redis")
    asked = patient.reads_from_ledger("unconfirmed")
    newer = await play(other, database_url)
    async with comparing(patient) as comparison:
        assert patient.confirmed(b"1") is not None
        await patient.read()
        await other.board.store(newer)
        assert not comparison.done()
        assert await patient.read() == newer

    assert patient.reads_from_ledger("unconfirmed") == asked
    assert counted(patient.metrics, "catch_ups_total", copy="redis") == mended
    assert patient.confirmed(b"%d" % newer.version) == newer
    assert in_doubt(patient) == 0


async def test_a_trusted_copy_keeps_its_trust_while_the_comparison_stores(
    patient: Instance, other: Instance, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was found behind. What is acknowledged it has, all the same."""
    await patient.trust()
    held = await patient.read()
    await play(other, database_url)
    storing, go_on = asyncio.Event(), asyncio.Event()
    store = patient.copy.store

    async def slow_store(board: Board) -> bool:
        storing.set()
        await go_on.wait()
        return await store(board)

    monkeypatch.setattr(patient.copy, "store", slow_store)
    comparing = asyncio.create_task(patient.reconcile())
    await storing.wait()
    assert patient.confirmed(b"%d" % held.version) is not None
    go_on.set()
    await comparing
    assert patient.confirmed(b"%d" % (held.version + 3)) is not None


async def test_a_grant_does_not_wait_until_a_silent_ledger_shows_the_board_that_it_has_seen(
    patient: Instance, other: Instance, database_url: str
) -> None:
    """Whoever reads does, as far as its patience goes: the older board is trusted no more."""
    await other.trust()
    older = await other.read()
    with holding(database_url, LOCK):
        async with asyncio.timeout(60.0):
            await patient.boards.reach({MAIN: older.version + 1})
            reading = await other.board.read()
    assert (reading.board, bool(reading.age_seconds)) == (older, True)
    assert other.reads_from_ledger("older") == 1


async def test_a_board_that_a_grant_has_seen_is_found_by_whoever_reads_next(
    patient: Instance, other: Instance, database_url: str, admin: Any
) -> None:
    """Whoever committed it has not stored it yet, and may be late with an older one too."""
    await patient.trust()
    await other.trust()
    older = await play(other, database_url)
    newer = await play(other, database_url)

    await patient.boards.reach({MAIN: newer.version})
    assert await version_in(admin) == newer.version
    assert other.confirmed(b"%d" % newer.version) is None
    await other.copy.store(older)
    assert await other.read() == newer
    assert await patient.read() == newer
    assert other.reads_from_ledger("older") + other.reads_from_ledger("missing") == 1
    assert patient.reads_from_ledger("older") + patient.reads_from_ledger("missing") == 0
    assert (await patient.copy.read()).board == newer


async def test_a_version_that_a_grant_has_seen_takes_no_newer_one_away(
    patient: Instance, other: Instance, admin: Any
) -> None:
    assert await other.board.store(a_board(3))
    await patient.boards.reach({MAIN: 2})
    assert await version_in(admin) == 3
    assert (await patient.copy.read()).board == a_board(3)


async def test_who_has_the_board_that_a_grant_has_seen_is_not_asked_for_it(
    patient: Instance, admin: Any
) -> None:
    patient.board.hear_of(a_board(2))
    await patient.boards.reach({MAIN: 2})
    assert (await patient.copy.read()).board == a_board(2)


# --- the ledger is asked first


async def test_after_an_outage_of_redis_it_is_not_trusted_before_others_have_found_it_again(
    redis_url: str, database_url: str
) -> None:
    """One answers 200 to what it did not store, because it has not found Redis again yet."""
    async with (
        through_proxy(redis_url) as (line, url),
        through_proxy(redis_url) as (late_line, late_url),
        an_instance(late_url, database_url) as writer,
        an_instance(url, database_url, settle_seconds=settled_after(0.5)) as reader,
    ):
        await reader.trust()
        await line.cut()
        await late_line.cut()
        await line.heal()
        await eventually(lambda: _finds_redis(reader))
        await reader.reconcile()

        granted = await play(writer, database_url, 1)
        assert not await writer.board.store(granted)
        assert await reader.read() == granted
        await eventually(lambda: _trusts(reader))


async def test_while_redis_has_only_just_gone_nobody_is_told_before_it_has_the_board(
    redis_url: str, database_url: str, admin: Any
) -> None:
    """It may be gone for the writer alone, and what others trust there is older."""
    async with (
        through_proxy(redis_url) as (line, url),
        an_instance(url, database_url, noticed_seconds=ENDLESS) as writer,
    ):
        await line.cut()
        storing = asyncio.create_task(writer.board.store(a_board(7)))
        await eventually(lambda: writer.redis.away)
        assert not storing.done()
        await line.heal()
        assert await storing
        assert await version_in(admin) == 7


async def test_while_redis_has_only_just_gone_no_grant_is_answered_that_has_seen_a_newer_board(
    redis_url: str, database_url: str, other: Instance, admin: Any
) -> None:
    assert await other.board.store(a_board(1))
    async with (
        through_proxy(redis_url) as (line, url),
        an_instance(url, database_url, noticed_seconds=ENDLESS) as instance,
    ):
        await line.cut()
        reaching = asyncio.create_task(instance.boards.reach({MAIN: 2}))
        await eventually(lambda: instance.redis.away)
        assert not reaching.done()
        await line.heal()
        await reaching
        assert await version_in(admin) == 2


async def test_whoever_has_been_without_redis_for_long_is_not_waited_for(
    redis_url: str, database_url: str
) -> None:
    """Before it is lost again: until then others may have trusted what it did not get."""
    async with (
        through_proxy(redis_url) as (line, url),
        an_instance(url, database_url, noticed_seconds=0.5) as writer,
    ):
        await line.cut()
        assert not await writer.board.store(a_board(7))
        began = time.monotonic()
        for version in range(8, 58):
            assert not await writer.board.store(a_board(version))
        assert time.monotonic() - began < 0.5 * 50
        await line.heal()
        await eventually(lambda: not writer.redis.away)
        await line.cut()
        began = time.monotonic()
        assert not await writer.board.store(a_board(60))
        assert time.monotonic() - began >= 0.5


@asynccontextmanager
async def who_may(redis_url: str, database_url: str, admin: Any) -> AsyncIterator[Instance]:
    """An instance that may do everything in Redis, as a user of its own: `poor`."""
    await admin.acl_setuser("poor", enabled=True, passwords=["+p"], keys=["*"], commands=["+@all"])
    address = redis_url.replace("redis://", "redis://poor:p@")
    try:
        async with an_instance(address, database_url, noticed_seconds=ENDLESS) as instance:
            yield instance
    finally:
        await admin.acl_deluser("poor")


@asynccontextmanager
async def who_may_not_store(
    redis_url: str, database_url: str, admin: Any, *others: str
) -> AsyncIterator[Instance]:
    """An instance that stored version 7, and whose right to store was taken since, and to do those
    other things.
    """
    async with who_may(redis_url, database_url, admin) as writer:
        assert await writer.board.store(a_board(7))
        await admin.acl_setuser("poor", commands=["-hset", *others])
        yield writer


async def test_a_redis_that_refuses_a_board_is_left_with_no_older_one(
    redis_url: str, database_url: str, admin: Any
) -> None:
    async with who_may_not_store(redis_url, database_url, admin) as writer:
        assert not await writer.board.store(a_board(8))
        assert await version_in(admin) == -1


async def test_a_redis_that_refuses_a_board_keeps_a_newer_one(
    redis_url: str, database_url: str, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody was told of that one. Without it a store that is late would put an older one there,
    which others trust.
    """
    async with who_may_not_store(redis_url, database_url, admin) as writer:
        drop = writer.copy.drop

        async def drop_behind_a_store(older_than: int | None = None) -> None:
            await plant(admin, a_board(9))
            await drop(older_than)

        monkeypatch.setattr(writer.copy, "drop", drop_behind_a_store)
        assert not await writer.board.store(a_board(8))
        assert await version_in(admin) == 9


async def test_what_redis_refused_altogether_is_stored_by_the_next_grant_that_has_seen_it(
    redis_url: str, database_url: str, admin: Any
) -> None:
    async with who_may_not_store(redis_url, database_url, admin, "-unlink") as writer:
        assert not await writer.board.store(a_board(8))
        assert await version_in(admin) == 7
        await admin.acl_setuser("poor", commands=["+@all"])
        await writer.boards.reach({MAIN: 8})
        assert await version_in(admin) == 8


async def test_a_redis_that_takes_no_version_is_left_with_no_older_board(
    redis_url: str, database_url: str, admin: Any
) -> None:
    async with who_may_not_store(redis_url, database_url, admin) as writer:
        await writer.boards.reach({MAIN: 8})
        assert await version_in(admin) == -1
        assert writer.board.has_reached(8)


async def test_a_redis_that_refuses_to_count_requests_is_not_trusted_by_whoever_asks_it(
    redis_url: str, database_url: str, admin: Any
) -> None:
    """It may also refuse boards, and keep the older ones: its disk is full, say."""
    limit = [Check("ip", "somebody", Rate(5, 3600))]
    async with who_may(redis_url, database_url, admin) as reader:
        limiter = RateLimiter(reader.redis, reader.metrics)
        await reader.trust()
        await limiter.check(limit)
        before = reader.reads_from_ledger("unconfirmed")
        await reader.read()
        assert reader.reads_from_ledger("unconfirmed") == before
        await admin.acl_setuser("poor", commands=["-set", "-hset", "-unlink"])
        allowance = await limiter.check(limit, also=HashField(*version_field()))
        assert allowance.seen is None
        await reader.read()
        assert reader.reads_from_ledger("unconfirmed") == before + 1
        await limiter.close()


async def _trusts(instance: Instance) -> bool:
    await instance.reconcile()
    reads = instance.ledger.reads
    await instance.read()
    return instance.ledger.reads == reads


async def _finds_redis(instance: Instance) -> bool:
    before = instance.reads_from_ledger("away")
    await instance.read()
    return instance.reads_from_ledger("away") == before


async def test_without_redis_a_slow_ledger_is_waited_for(
    redis_url: str, database_url: str, other: Instance
) -> None:
    """Neither Redis nor RabbitMQ tells of what was granted elsewhere: only the ledger does."""
    async with (
        through_proxy(redis_url) as (redis_line, redis_address),
        through_proxy(database_url) as (line, database_address),
        an_instance(redis_address, database_address) as reader,
    ):
        await reader.trust()
        await redis_line.cut()
        line.delay(0.15)  # more than the look, less than the patience
        for _ in range(3):
            newer = await play(other, database_url, 1)
            reading = await reader.board.read()
            assert (reading.board, reading.age_seconds) == (newer, None)


# --- the ledger is silent, and the newest at hand is shown with its age


@pytest.mark.parametrize("doubt", ["away", "missing", "refused", "older", "unconfirmed"])
async def test_while_the_ledger_is_silent_the_newest_board_at_hand_is_shown_and_all_wait_once(
    redis_url: str, database_url: str, admin: Any, doubt: str
) -> None:
    async with (
        through_proxy(redis_url) as (proxy, url),
        an_instance(url, database_url, timeout_seconds=ENDLESS, on_its_way_seconds=0.0) as instance,
    ):
        truth = await play(instance, database_url)
        await instance.trust()
        match doubt:
            case "away":
                await proxy.cut()
            case "missing":
                await admin.flushdb()
            case "refused":
                await admin.hdel("leaderboard", "signature")
            case "older":
                await plant(admin, replace(truth, version=truth.version - 1))
            case "unconfirmed":
                await instance.redis.pool.disconnect()
        with holding(database_url, LOCK):
            began = time.monotonic()
            async with asyncio.timeout(20):
                readings = [await instance.board.read() for _ in range(40)]
            took = time.monotonic() - began

        assert {reading.board for reading in readings} == {truth}
        assert all(reading.age_seconds for reading in readings)
        assert instance.reads_from_ledger(doubt) >= 40
        assert in_doubt(instance) == 40
        assert took < 10 * PATIENCE_SECONDS  # far less than 40 times


async def test_a_ledger_that_speaks_again_is_asked_before_anything_in_doubt_is_shown(
    redis_url: str, database_url: str, other: Instance
) -> None:
    async with (
        through_proxy(redis_url) as (proxy, url),
        an_instance(url, database_url, timeout_seconds=ENDLESS) as reader,
    ):
        before = await play(other, database_url, 1)
        await reader.trust()
        await proxy.cut()
        with holding(database_url, LOCK):
            reading = await reader.board.read()
            assert (reading.board, bool(reading.age_seconds)) == (before, True)
        await eventually(lambda: reader.questions.silent_seconds == 0)
        for _ in range(5):
            newer = await play(other, database_url, 1)
            reading = await reader.board.read()
            assert (reading.board, reading.age_seconds) == (newer, None)


async def test_a_ledger_that_was_away_is_looked_for_before_anything_in_doubt_is_shown(
    redis_url: str, database_url: str, other: Instance
) -> None:
    """It answered nobody for long, and nobody has asked since it is back."""
    async with (
        through_proxy(redis_url) as (redis_line, redis_address),
        through_proxy(database_url) as (line, database_address),
        an_instance(redis_address, database_address, look_seconds=ENDLESS) as reader,
    ):
        await reader.trust()
        await redis_line.cut()
        await line.cut()

        async def is_given_up() -> bool:
            assert (await reader.board.read()).age_seconds
            return reader.questions.silent_seconds >= PATIENCE_SECONDS

        await eventually(is_given_up)
        await line.heal()
        await asyncio.sleep(0.6)  # the pool rests after a failed attempt
        newer = await play(other, database_url, 1)

        reading = await reader.board.read()
        assert (reading.board, reading.age_seconds) == (newer, None)


async def test_what_was_shown_in_doubt_is_known_to_have_been_shown(
    redis_url: str, database_url: str, admin: Any
) -> None:
    """Else a ledger that went back would use its version again for another board."""
    async with an_instance(redis_url, database_url) as instance:
        truth = await play(instance, database_url)
        instance.board.hear_of(truth)
        shown = replace(truth, version=9)
        await plant(admin, shown)
        with holding(database_url, LOCK):
            assert (await instance.read()).version == 9
        await admin.flushdb()

        await instance.reconcile()

        assert (await instance.ledger.board()).version == 10


async def test_another_board_in_redis_under_our_version_lifts_the_ledger(
    other: Instance, database_url: str, admin: Any
) -> None:
    """A promotion lost commits and their versions were used again; this instance, just started,
    heard of the new board first, and Redis has shown the old one.
    """
    truth: Board = await play(other, database_url)
    other.board.hear_of(truth)
    await plant(admin, a_board(truth.version, 77))

    await other.reconcile()

    lifted = await other.ledger.board()
    assert (lifted.version, lifted.entries) == (truth.version + 1, truth.entries)
    assert await other.read() == lifted


async def test_at_the_end_nobody_waits_for_a_question_that_goes_on_beside(
    redis_url: str, database_url: str
) -> None:
    with holding(database_url, LOCK):
        async with asyncio.timeout(20):
            async with an_instance(redis_url, database_url, timeout_seconds=ENDLESS) as instance:
                instance.board.hear_of(a_board(1))
                assert (await instance.board.read()).age_seconds
