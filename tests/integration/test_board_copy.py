"""The board's copy on a real Redis and PostgreSQL: what wins, what is trusted, what replaces it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from scoreboard import board_json
from scoreboard.board_json import MAIN_BYTES_MAX
from scoreboard.configuration.kinds import Rate
from scoreboard.configuration.signatures import Signatures
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.copies.copy import KEY, PURPOSE, RedisCopy, version_field
from scoreboard.errors import LedgerUnavailable
from scoreboard.limits.checks import Check, HashField
from scoreboard.limits.rates import RateLimiter
from scoreboard.model import LEAP_MAX, MAIN, Board, BoardId, Submission
from tests.eventually import eventually
from tests.integration.board_world import (
    SIGNATURES,
    TIMEOUT_SECONDS,
    Instance,
    an_instance,
    plant,
    play,
    through_proxy,
    version_in,
)
from tests.samples import a_board, counted
from tests.world import add_actions, add_users


@pytest.fixture
async def one(redis_url: str, database_url: str) -> AsyncIterator[Instance]:
    async with an_instance(redis_url, database_url) as instance:
        yield instance


@pytest.fixture
async def two(redis_url: str, database_url: str) -> AsyncIterator[Instance]:
    async with an_instance(redis_url, database_url) as instance:
        yield instance


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
                assert board_json.decode(text).version == int(version)

    async def store(instance: Instance, mine: list[int]) -> None:
        for version in mine:
            await instance.board.store(a_board(version))

    watching = asyncio.create_task(watch())
    half = len(versions) // 2
    await asyncio.gather(store(one, versions[:half]), store(two, versions[half:]))
    storing = False
    await watching

    assert seen == sorted(seen)
    assert await version_in(admin) == 149


async def test_versions_are_compared_as_numbers(one: Instance, admin: Any) -> None:
    for version in (9, 10, 2**53 - 2, 2**53 - 1, 9):
        await one.board.store(replace(a_board(1), version=version))

    assert await version_in(admin) == 2**53 - 1


async def test_each_board_has_a_key_of_its_own_and_is_not_shown_as_another(
    one: Instance, admin: Any
) -> None:
    """Whoever can write to Redis could else put one board of ours in another's place."""
    weekly = RedisCopy(one.redis, SIGNATURES, BoardId("weekly"))
    await one.copy.store(a_board(3))
    await weekly.store(replace(a_board(9), board_id=BoardId("weekly")))

    assert (await one.copy.read()).board == a_board(3)
    assert await admin.exists(f"{KEY}:weekly")
    await admin.copy(f"{KEY}:weekly", KEY, replace=True)
    assert (await one.copy.read()).fault == "malformed"
    await one.copy.store(a_board(10))
    await admin.copy(KEY, f"{KEY}:weekly", replace=True)
    assert (await weekly.read()).fault == "malformed"


async def test_main_has_room_for_ten_entries_and_other_boards_for_a_hundred(
    one: Instance, admin: Any
) -> None:
    """Whoever can write to Redis makes each look at `main` as long as it may be."""
    weekly = RedisCopy(one.redis, SIGNATURES, BoardId("weekly"))
    board = replace(a_board(9, *range(100, 0, -1)), board_id=BoardId("weekly"))
    assert len(board_json.encode(board)) > MAIN_BYTES_MAX
    await weekly.store(board)
    assert (await weekly.read()).board == board
    await admin.copy(f"{KEY}:weekly", KEY, replace=True)
    assert (await one.copy.read()).fault == "size"


async def test_what_one_instance_stored_the_next_read_of_another_finds(
    one: Instance, two: Instance, database_url: str
) -> None:
    """Promise 4: after a 200, the next GET on any instance shows a board at least that new."""
    await two.trust()
    users = add_users(database_url, 20)
    add_actions(database_url, {"run": 10})

    for user in users:
        granted = await one.ledger.grant([Submission(user, "run")])
        for board in granted.boards.values():
            await one.board.store(board)
            assert (await two.read()).version >= board.version


# --- reading


async def test_a_copy_that_is_missing_is_rebuilt_from_the_ledger(
    one: Instance, two: Instance, database_url: str, admin: Any
) -> None:
    truth = await play(one, database_url)
    await one.trust()
    await admin.flushdb()

    assert await one.read() == truth
    assert one.reads_from_ledger("missing") == 1
    assert await version_in(admin) == truth.version


async def test_a_copy_that_is_trusted_costs_the_ledger_nothing(
    one: Instance, database_url: str
) -> None:
    truth = await play(one, database_url)
    await one.trust()
    reads = one.ledger.reads

    for _ in range(20):
        assert await one.read() == truth

    assert one.ledger.reads == reads


async def test_the_reads_of_one_moment_share_a_round_trip(one: Instance) -> None:
    await one.trust()
    reads = one.copy.reads

    boards = await asyncio.gather(*(one.read() for _ in range(500)))

    assert len({board.version for board in boards}) == 1
    assert one.copy.reads - reads <= 2


async def test_the_ledger_is_read_once_for_all_who_ask_at_the_same_moment(
    one: Instance, admin: Any
) -> None:
    """A Redis that lost everything must not turn every reader upon PostgreSQL."""
    await one.trust()
    await admin.flushdb()
    reads = one.ledger.reads

    await asyncio.gather(*(one.read() for _ in range(500)))

    assert one.ledger.reads - reads == 1


# --- what nobody of us has stored


def poisoned(version: Any, **members: Any) -> dict[str, Any]:
    """A board of somebody else's, as the fields of the hash, signed by nobody."""
    board = (
        orjson.loads(board_json.encode(a_board(7, 2_000_000_000))) | {"version": version} | members
    )
    return {"version": str(version), "board": orjson.dumps(board)}


def sealed(text: bytes, version: int = 7) -> dict[str, Any]:
    """Whatever it is, one of us seems to have signed it."""
    return {"version": version, "board": text, "signature": SIGNATURES.of(text)}


POISON: dict[str, tuple[str, Any]] = {
    "a text": ("kind", b"a text"),
    "a list": ("kind", [b"a", b"list"]),
    "half a megabyte": ("size", poisoned(7) | {"board": b"x" * 500_000}),
    "a long version": ("size", {"version": "9" * 5000, "board": "{}"}),
    "no fields of ours": ("malformed", {"other": "x"}),
    "a board that seems to be the next": ("unsigned", poisoned(5)),
    "a board under the ledger's version": ("unsigned", poisoned(4)),
    "a board far ahead": ("unsigned", poisoned(2**53 - 1)),
    "a version beyond JavaScript's numbers": ("unsigned", poisoned(2**53 + 1)),
    "a version beyond a BIGINT's": ("size", poisoned(2**63 - 1)),
    "a version that is no number": ("unsigned", {"version": "seven", "board": "{}"}),
    "a signature of nobody": ("signature", poisoned(9) | {"signature": "0" * 64}),
    "half JSON": ("malformed", sealed(b"{")),
    "JSON without end": ("malformed", sealed(b"[" * 8000)),
    "a score of a quintillion": ("malformed", sealed(board_json.encode(a_board(7, 10**18)))),
    "a newer board than it says": ("malformed", sealed(board_json.encode(a_board(8)), version=7)),
    "another history": (
        "leap",
        sealed(board_json.encode(a_board(4 + LEAP_MAX + 1, 1)), 4 + LEAP_MAX + 1),
    ),
}


@pytest.mark.parametrize("shape", POISON)
async def test_what_nobody_of_us_has_stored_is_never_shown_and_gone_by_the_next_comparison(
    one: Instance, two: Instance, database_url: str, admin: Any, shape: str
) -> None:
    """Else it is everybody's board, or everybody gets 500, until the ledger's version is higher."""
    fault, poison = POISON[shape]
    truth = await play(one, database_url)
    assert truth.version == 4
    await one.trust()
    await two.trust()
    await admin.delete(KEY)
    await plant_raw(admin, poison)

    assert await one.read() == await two.read() == truth
    assert one.refused(fault) == 1
    assert one.reads_from_ledger("refused") == 1
    assert one.reads_from_ledger("away") == 0
    await one.reconcile()
    assert await version_in(admin) == truth.version
    for instance in (one, two):
        reads = instance.ledger.reads
        assert await instance.read() == truth
        assert instance.ledger.reads == reads
    assert counted(one.metrics, "divergences_total", mended="lifted") == 0
    assert counted(one.metrics, "redis_failures_total", reason="no_answer") == 0


@pytest.mark.parametrize("is_alone", [True, False], ids=["alone", "with the board of before"])
async def test_a_version_that_nobody_has_committed_is_gone_by_the_next_comparison(
    one: Instance, two: Instance, database_url: str, admin: Any, is_alone: bool
) -> None:
    """Somebody else put it there, or the ledger went back: nobody could store a board for ever. The
    comparison itself stores none: somebody may have committed a newer one since it asked, and that
    was not taken beside this version.
    """
    truth = await play(one, database_url)
    await one.trust()
    await two.trust()
    if is_alone:
        await admin.delete(KEY)
    await admin.hset(KEY, "version", "7")

    assert await one.read() == await two.read() == truth
    await one.reconcile()
    assert await version_in(admin) == -1
    assert await one.read() == truth
    assert (await two.copy.read()).board == truth
    reads = two.ledger.reads
    assert await two.read() == truth
    assert two.ledger.reads == reads


async def plant_raw(admin: Any, value: Any) -> None:
    match value:
        case bytes():
            await admin.set(KEY, value)
        case list():
            await admin.rpush(KEY, *value)
        case _:
            await admin.hset(KEY, mapping=value)


@pytest.mark.parametrize(
    "shape",
    [
        "a text",
        "a list",
        "a long version",
        "no fields of ours",
        "a board that seems to be the next",  # it is version 5
        "a version beyond JavaScript's numbers",
        "a version beyond a BIGINT's",
        "a version that is no number",
    ],
)
async def test_a_store_goes_over_whatever_is_no_newer_version(
    one: Instance, admin: Any, shape: str
) -> None:
    await plant_raw(admin, POISON[shape][1])

    await one.board.store(a_board(6))

    assert (await one.copy.read()).board == a_board(6)


@pytest.mark.parametrize("field", ["version", "board"])
async def test_a_copy_of_many_megabytes_stops_redis_neither_for_a_store_nor_for_a_limit(
    one: Instance, admin: Any, field: str
) -> None:
    """Compared with who reads it."""

    async def seconds_in(command: str) -> float:
        statistics = await admin.info("commandstats")
        return float(statistics.get(f"cmdstat_{command}", {"usec": 0})["usec"])

    limiter = RateLimiter(one.redis, one.metrics)
    check = Check("ip", "anybody", Rate(1000, 60))
    wanted = HashField(*version_field())
    await limiter.check([check], also=wanted)
    ours, readers = [], []
    for version in range(5, 10):  # in one of them nothing else kept Redis from its work
        await one.board.store(a_board(version))
        await admin.hset(KEY, field, b"9" * 32_000_000)
        before = await seconds_in("hget")
        assert len(await admin.hget(KEY, field)) == 32_000_000
        readers.append(await seconds_in("hget") - before)

        before = await seconds_in("evalsha")
        await limiter.check([check], also=wanted)
        await one.board.store(a_board(version + 1))
        ours.append(await seconds_in("evalsha") - before)
        assert (await one.copy.read()).board == a_board(version + 1)
    assert min(ours) < min(readers) / 3


async def test_a_copy_of_an_earlier_secret_is_read_and_one_of_an_unknown_secret_is_not(
    one: Instance, redis_url: str, admin: Any
) -> None:
    old, new = "the-old-secret-0123456789abcdef-01234", "the-new-secret-0123456789abcdef-01234"
    client = Redis(redis_url, timeout_seconds=TIMEOUT_SECONDS, name="test board")
    await plant(admin, a_board(7), old)

    rotated = await RedisCopy(client, Signatures([new, old], PURPOSE)).read()
    stranger = await RedisCopy(client, Signatures([new], PURPOSE)).read()
    of_a_command = await RedisCopy(client, None).read()
    await client.close()

    assert rotated.board == of_a_command.board == a_board(7)
    assert stranger.fault == "signature"


async def test_a_redis_that_answers_as_none_does_is_one_without_a_board(
    one: Instance, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever sits between us and Redis may say anything."""
    truth = await play(one, database_url)
    await one.trust()
    answers: list[Any] = [None, 7, b"found", [], [b"found"], [b"found", 1, 2, 3], [[]], {}]

    async def answer(*_: Any) -> Any:
        return answers[0]

    monkeypatch.setattr(one.copy, "_run_read", answer)
    monkeypatch.setattr(one.copy, "_run_store", answer)
    while answers:
        assert await one.read() == truth
        assert not await one.board.store(truth) or answers[0] in (0, 1)
        await one.reconcile()
        answers.pop(0)


# --- when the ledger went back


async def test_a_sound_copy_ahead_of_the_ledger_lifts_it(
    one: Instance, two: Instance, database_url: str, admin: Any
) -> None:
    """A backup was restored. Whoever polls holds the version that Redis had."""
    truth = await play(one, database_url)
    await plant(admin, a_board(9, 77))

    await one.reconcile()
    await two.reconcile()

    lifted = await one.ledger.board()
    assert (lifted.version, lifted.entries) == (10, truth.entries)
    assert await one.read() == await two.read() == lifted
    assert await version_in(admin) == 10
    assert counted(one.metrics, "divergences_total", mended="lifted") == 1
    assert counted(two.metrics, "divergences_total", mended="lifted") == 0


async def test_a_sound_copy_of_the_same_version_and_other_content_lifts_it_too(
    one: Instance, database_url: str, admin: Any
) -> None:
    """A promotion lost commits, and new ones have used their versions."""
    truth = await play(one, database_url)
    await plant(admin, a_board(truth.version, 77))

    await one.reconcile()

    board = await one.read()
    assert (board.version, board.entries) == (truth.version + 1, truth.entries)


async def test_while_redis_is_away_the_ledger_is_lifted_above_what_reads_have_shown(
    redis_url: str, database_url: str
) -> None:
    async with (
        through_proxy(redis_url) as (proxy, url),
        an_instance(url, database_url) as instance,
    ):
        truth = await play(instance, database_url)
        instance.board.hear_of(a_board(9, 77))
        await proxy.cut()

        await instance.reconcile()

        board = await instance.read()
        assert (board.version, board.entries) == (10, truth.entries)


async def test_a_copy_of_another_history_at_the_start_is_forgotten(
    one: Instance, database_url: str, admin: Any
) -> None:
    """The board was numbered anew, and this instance did not know the numbers before."""
    truth = await play(one, database_url)
    await plant(admin, a_board(truth.version + LEAP_MAX + 1, 77))

    await one.reconcile()

    assert await one.read() == truth
    assert (await one.ledger.board()) == truth
    assert counted(one.metrics, "divergences_total", mended="renumbered") == 1


# --- what a limit check brings along


async def seen_by_a_check(instance: Instance) -> Board | None:
    """Count a request, as every request is; the board that is known from it without a read."""
    limiter = RateLimiter(instance.redis, instance.metrics)
    check = Check("ip", "somebody", Rate(1000, 1))
    try:
        seen = (await limiter.check([check], also=HashField(*version_field()))).seen
    finally:
        await limiter.close()
    return None if seen is None else instance.board.confirmed(seen.value, seen.generation)


async def test_a_check_brings_the_board_along_and_saves_the_read(
    one: Instance, database_url: str
) -> None:
    truth = await play(one, database_url)
    await one.trust()
    reads = one.copy.reads

    assert await seen_by_a_check(one) == truth
    assert one.copy.reads == reads


async def test_a_board_that_another_instance_stored_is_read_and_not_an_older_one_assumed(
    one: Instance, two: Instance, database_url: str
) -> None:
    """Promise 4, where the check is all that asks Redis."""
    await one.trust()
    await two.trust()
    newer = await play(two, database_url)
    await two.board.store(newer)

    assert await seen_by_a_check(one) is None
    assert await one.read() == newer
    assert await seen_by_a_check(one) == newer


async def test_a_redis_that_came_back_vouches_for_nothing_before_it_was_compared(
    one: Instance, database_url: str, admin: Any
) -> None:
    """It came back with the board that this instance holds, and the ledger has a newer one."""
    await one.trust()
    held = await one.read()
    await play(one, database_url)
    await _restart_with(admin, held)
    await eventually(lambda: _answers(one))

    assert await seen_by_a_check(one) is None
    assert counted(one.metrics, "rate_limit_checks_local_total") == 0  # Redis said it


async def test_what_redis_said_over_connections_that_failed_since_vouches_for_nothing(
    one: Instance, database_url: str
) -> None:
    truth = await play(one, database_url)
    await one.trust()
    version, generation = b"%d" % truth.version, one.redis.generation
    assert one.board.confirmed(version, generation) == truth

    one.redis.generation += 1
    assert one.board.confirmed(version, generation) is None
    await one.trust()
    assert one.board.confirmed(version, generation) is None


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

    assert await one.read() == truth  # as if the store of ours were under way
    assert one.reads_from_ledger("older") == 0

    async def is_mended() -> bool:
        assert await one.read() == truth
        return await version_in(admin) == truth.version

    await eventually(is_mended)
    assert one.reads_from_ledger("older") == 1


async def test_a_copy_is_not_trusted_before_it_was_compared(
    one: Instance, database_url: str, admin: Any
) -> None:
    truth = await play(one, database_url)
    await plant(admin, a_board(1))

    assert await one.read() == truth
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

    assert await one.read() == truth
    assert one.reads_from_ledger("unconfirmed") + one.reads_from_ledger("away") >= 1

    await eventually(lambda: _is_level(one, admin, truth))
    await one.trust()
    reads = one.ledger.reads
    assert await one.read() == truth
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
    await one.redis.pool.disconnect()

    assert await one.read() == truth
    assert one.reads_from_ledger("away") == 0


async def _is_level(instance: Instance, admin: Any, truth: Board) -> bool:
    await instance.reconcile()
    return not instance.redis.away and await version_in(admin) == truth.version


async def test_the_comparison_finds_a_copy_that_is_behind_and_trusts_it_at_once(
    one: Instance, database_url: str
) -> None:
    """An instance was killed between COMMIT and store."""
    await one.trust()
    truth = await play(one, database_url)

    await one.reconcile()
    reads = one.ledger.reads
    assert await one.read() == truth
    assert one.ledger.reads == reads
    assert counted(one.metrics, "catch_ups_total", copy="redis") == 2  # the first board, and this
    await one.reconcile()
    assert counted(one.metrics, "catch_ups_total", copy="redis") == 2


# --- when a server is away


async def test_while_redis_is_away_the_board_comes_from_the_ledger(
    redis_url: str, database_url: str, admin: Any
) -> None:
    async with (
        through_proxy(redis_url) as (proxy, url),
        an_instance(url, database_url) as instance,
    ):
        truth = await play(instance, database_url)
        await instance.trust()
        await proxy.cut()

        boards = await asyncio.gather(*(instance.read() for _ in range(50)))
        await instance.board.store(truth)  # does not raise

        assert set(boards) == {truth}
        assert instance.reads_from_ledger("away") == 1
        failed = counted(instance.metrics, "cache_stores_failed_total")
        assert failed >= 1
        await instance.reconcile()  # there is nothing to mend
        assert counted(instance.metrics, "cache_stores_failed_total") == failed

        await proxy.heal()
        await eventually(lambda: _is_level(instance, admin, truth))


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

        assert await instance.read() == truth


async def test_a_copy_in_doubt_is_better_than_none_while_postgresql_is_away(
    redis_url: str, database_url: str, admin: Any
) -> None:
    await plant(admin, a_board(5))
    async with (
        through_proxy(database_url) as (proxy, url),
        an_instance(redis_url, url) as instance,
    ):
        await proxy.cut()

        assert (await instance.read()).version == 5


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

        assert await instance.read() == truth


async def test_without_any_board_to_give_the_reader_hears_that_the_ledger_is_away(
    redis_url: str, database_url: str
) -> None:
    async with (
        through_proxy(database_url) as (proxy, url),
        an_instance(redis_url, url) as instance,
    ):
        await proxy.cut()

        with pytest.raises(LedgerUnavailable):
            await instance.read()


# --- the board that a grant has seen


async def test_a_board_that_begins_anew_is_stored_for_whoever_has_seen_it(
    one: Instance, admin: Any, database_url: str
) -> None:
    """Redis had one of a higher version, which is forgotten with it."""
    board = await play(one, database_url)
    await one.board.store(replace(board, version=board.version + 1000))
    await one.board.begin_anew(board)
    assert await version_in(admin) == -1

    await one.boards.reach({MAIN: board.version})

    assert await version_in(admin) == board.version


# --- the end


async def test_a_read_under_way_at_the_end_is_finished(
    one: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stores what the ledger gave, so stores are the last to close."""
    asked, answer = asyncio.Event(), asyncio.Event()
    read = one.ledger.board

    async def slow_board(*_: object) -> Board:
        asked.set()
        await answer.wait()
        return await read()

    monkeypatch.setattr(one.ledger, "board", slow_board)
    reading = asyncio.create_task(one.read())
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
