"""The end of an instance: at any moment, announced, without losing what was accepted."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from scoreboard.api.http.site import AT_ONCE
from scoreboard.copies.board import CachedBoard
from scoreboard.model import Grant, Submission
from scoreboard.parts import PARTS
from tests.attacks.wire import connected
from tests.eventually import eventually
from tests.instances import Instance, test_settings
from tests.service.conftest import Start
from tests.world import add_actions, add_users, grants, holding, sql

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"
LOCK = "LOCK TABLE ledger IN EXCLUSIVE MODE"


async def test_an_instance_stops_at_whatever_moment_of_its_start(
    database_url: str, redis_url: str, amqp_url: str
) -> None:
    """Drivers swallow cancellations; without `raise_if_cancelled` a background task outlives its
    end.
    """
    for milliseconds in range(0, 40, 2):
        instance = await Instance.start(
            test_settings(database_url=database_url, redis_url=redis_url, amqp_url=amqp_url)
        )
        await asyncio.sleep(milliseconds / 1000)  # not a wait for anything: it is the moment
        async with asyncio.timeout(10):
            await instance.stop()


async def test_streams_get_a_farewell_and_a_clean_end(start: Start) -> None:
    instance = await start()
    stream = await instance.open_stream()
    await stream.until(1)

    async with asyncio.timeout(20):  # far below the 60 s that open streams would hold it up
        await instance.runner.cleanup()

    await eventually(lambda: stream.ended)
    assert stream.events[-1].name == "closing"
    assert stream.events[-1].data["code"] == "shutting_down"


async def test_submissions_in_flight_at_the_end_are_answered_and_committed(
    start: Start, database_url: str
) -> None:
    users = add_users(database_url, 20)
    add_actions(database_url, {"run": 5})
    instance = await start()
    await instance.board()  # connected
    with holding(database_url, LOCK) as ledger:
        accepted = _accepted(instance)
        answers = [asyncio.create_task(instance.submit(user, "run")) for user in users]
        await eventually(lambda: len(accepted) == 20 and _somebody_waits(database_url))
        await _end_before(ledger.rollback, instance)

    assert [status for status, _ in await asyncio.gather(*answers)] == [200] * 20
    assert sorted(user for user, _ in grants(database_url)) == sorted(users)


async def test_submissions_whose_client_left_are_finished_at_the_end(
    start: Start, database_url: str
) -> None:
    """Nobody waits for them any more, so only the end of the instance itself does."""
    users = add_users(database_url, 5)
    add_actions(database_url, {"run": 5})
    instance = await start()
    await instance.board()
    with holding(database_url, LOCK) as ledger:
        accepted = _accepted(instance)
        answers = [asyncio.create_task(instance.submit(user, "run")) for user in users]
        await eventually(lambda: len(accepted) == 5 and _somebody_waits(database_url))
        for answer in answers:
            answer.cancel()
        await instance.client.close()
        await _end_before(ledger.rollback, instance)

    assert sorted(user for user, _ in grants(database_url)) == sorted(users)


async def test_a_request_in_flight_has_all_of_the_time_at_the_end(
    start: Start, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    instance = await start(shutdown_seconds=6.0)
    await instance.board()
    with holding(database_url, LOCK) as ledger:
        answer = asyncio.create_task(instance.submit(user, "run"))
        await eventually(lambda: _somebody_waits(database_url))
        ending = asyncio.create_task(instance.runner.cleanup())
        await asyncio.wait([ending], timeout=3.2)  # past the half, after which aiohttp waits anew
        assert not ending.done()
        ledger.rollback()
        await ending

    assert (await answer)[0] == 200


async def test_a_client_that_reads_nothing_holds_the_end_up_no_longer_than_was_set(
    start: Start,
) -> None:
    instance = await start(shutdown_seconds=4.0)
    server = instance.runner.server
    assert server is not None
    async with connected(instance, receive_buffer=4096) as wire:
        wire.reader._limit = 1  # type: ignore[attr-defined]  # asyncio reads ahead no further
        wire.writer.write(b"GET /docs/openapi.json HTTP/1.1\r\nHost: test\r\n\r\n" * 100)
        await eventually(lambda: [each.writing_paused for each in server.connections] == [True])
        began = time.monotonic()
        await instance.runner.cleanup()
        took = time.monotonic() - began
        wire.writer.transport.abort()

    assert took < 1.75 * 4.0  # aiohttp by itself waits twice


async def test_a_part_that_cannot_be_closed_leaves_no_other_open(
    start: Start, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: CachedBoard) -> None:
        raise RuntimeError("no end in sight")

    monkeypatch.setattr(CachedBoard, "close", fail)
    instance = await start()
    await instance.board()  # connected

    with pytest.raises(RuntimeError, match="no end in sight"):
        await instance.runner.cleanup()

    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'scoreboard.%'"
    await eventually(
        lambda: sql(database_url, f"{sessions} AND datname = current_database()") == [(0,)]
    )


def _asking(instance: Instance) -> socket.socket:
    """A connection with a request on it, which the kernel has and the instance not yet."""
    client = _connected(instance)
    client.sendall(HEALTH)
    return client


def _connected(instance: Instance) -> socket.socket:
    address = urlsplit(instance.url)
    client = socket.create_connection((address.hostname, address.port), timeout=10)
    client.settimeout(10)
    return client


async def _answer(client: socket.socket) -> bytes:
    return await asyncio.to_thread(client.recv, 15)


async def test_who_stood_in_the_queue_at_the_end_is_answered(start: Start) -> None:
    """The kernel would reset their connections."""
    instance = await start()
    with ExitStack() as stack:
        clients = [stack.enter_context(_asking(instance)) for _ in range(3 * AT_ONCE)]
        ending = asyncio.create_task(instance.runner.cleanup())
        answers = await asyncio.gather(*map(_answer, clients))
        await ending

    assert set(answers) == {b"HTTP/1.1 200 OK"}


async def test_who_came_in_a_moment_before_the_end_is_heard(start: Start) -> None:
    """Aiohttp would close a connection that has not asked for anything yet."""
    instance = await start()
    with _connected(instance) as client:
        server = instance.runner.server
        assert server is not None
        await eventually(lambda: server.connections)
        ending = asyncio.create_task(instance.runner.cleanup())
        await asyncio.wait([ending], timeout=0.2)
        client.sendall(HEALTH)
        answer = await _answer(client)
        await ending

    assert answer == b"HTTP/1.1 200 OK"


def _accepted(instance: Instance) -> list[Submission]:
    """The submissions that stand in a batch or wait for one, from now on."""
    submissions, accepted = instance.app[PARTS].submissions, list[Submission]()
    submit = submissions.submit

    async def counted(submission: Submission) -> Grant:
        accepted.append(submission)
        return await submit(submission)

    submissions.submit = counted  # type: ignore[method-assign]
    return accepted


async def _end_before(release: Callable[[], None], instance: Instance) -> None:
    """Let the instance end, and only then release what it waits for."""
    ending = asyncio.create_task(instance.runner.cleanup())
    done, _ = await asyncio.wait([ending], timeout=0.5)
    assert not done
    release()
    await ending


def _somebody_waits(database_url: str) -> bool:
    statement = """SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    return bool(sql(database_url, statement))
