"""A deploy: SIGTERM under full load, and two instances replaced one after the other."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.eventually import eventually
from tests.five_boards import end_season
from tests.load import NO_ANSWER, a_load
from tests.reckoning import a_game, everybody_turns, reckon
from tests.servers import ProgramsMissingError
from tests.servers.balancer import Balancer
from tests.servers.installation import HAPROXY, provide
from tests.servers.process import exchange, running
from tests.servers.scoreboard import ScoreboardServer
from tests.world import grants, ledger_sums, scores

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]

STREAMS = 2_000
GRACE_SECONDS = 12.0
DRAIN_SECONDS = 3.0  # in which a busy machine, too, sees that /readyz has changed
_BOARD = b"GET /api/leaderboard HTTP/1.1\r\nHost: test\r\n\r\n"
_STREAM = b"GET /api/leaderboard/stream HTTP/1.1\r\nHost: test\r\n\r\n"


@pytest.fixture
def many_files() -> None:
    """Each stream is a file here, and one in the instance."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < STREAMS * 2:
        pytest.skip(f"needs ulimit -Hn of at least {STREAMS * 2}, which is {most} here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@pytest.fixture
async def serving(
    database_url: str, redis_url: str, amqp_url: str
) -> AsyncIterator[list[ScoreboardServer]]:
    """Two instances as processes, which serve on for a moment after SIGTERM."""
    servers = [
        ScoreboardServer(
            database_url,
            redis_url,
            amqp_url,
            drain_seconds=DRAIN_SECONDS,
            shutdown_seconds=GRACE_SECONDS - DRAIN_SECONDS,
            subscribers_max=STREAMS,
        )
        for _ in range(2)
    ]
    await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
    yield servers
    for server in servers:
        await asyncio.to_thread(server.destroy)


class RawStream:
    """A stream as the wire has it, and its last bytes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.began = False
        self.tail = b""

    async def read(self) -> None:
        """Read until the end, whoever makes it. Raises ConnectionResetError when it was none."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(_STREAM)
            while chunk := await reader.read(65_536):
                self.tail = (self.tail + chunk)[-400:]
                self.began = self.began or b"topUsers" in chunk
        finally:
            writer.transport.abort()


@pytest.mark.usefixtures("many_files")
async def test_sigterm_with_two_thousand_streams_and_submissions_in_flight_ends_clean(
    serving: list[ScoreboardServer], database_url: str
) -> None:
    leaving, staying = serving
    streams = [RawStream(leaving.port) for _ in range(STREAMS)]
    # All at once: a storm. Nobody is refused below the bound, and submissions go on meanwhile.
    reading = [asyncio.create_task(stream.read()) for stream in streams]
    doors = [leaving.url]
    async with a_load(
        lambda: doors,
        a_game(database_url),
        submitters=32,
        subscribers=0,
        pause_seconds=0.0,
    ) as load:
        await eventually(lambda: all(stream.began for stream in streams), within_seconds=60.0)
        await one_more_is_refused(leaving)

        leaves = asyncio.create_task(asyncio.to_thread(leaving.leave, GRACE_SECONDS + 10.0))
        await eventually(lambda: not leaving.is_ready(), within_seconds=10.0)
        # A load balancer that has not yet looked sends it new connections.
        assert (await asyncio.to_thread(exchange, leaving.port, _BOARD, 13)) == b"HTTP/1.1 200 "
        doors[:] = [staying.url]  # as a load balancer does once it has
        assert await leaves == 0

        await load.finish()
        assert load.refusals == []
        assert NO_ANSWER not in {reply.status for reply in load.replies}
        assert set(load.acknowledged) == set(grants(database_url))
        assert scores(database_url) == ledger_sums(database_url)
    ends = await asyncio.gather(*reading, return_exceptions=True)
    assert [end for end in ends if end is not None] == []
    for stream in streams:
        assert b"event: closing" in stream.tail
        assert stream.tail.endswith(b"0\r\n\r\n")  # the response is whole


async def one_more_is_refused(server: ScoreboardServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(_STREAM)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: " in head.lower()
    writer.transport.abort()


async def test_a_rolling_restart_behind_a_load_balancer_loses_no_submission_and_no_subscriber(
    serving: list[ScoreboardServer], database_url: str, redis_url: str
) -> None:
    try:
        await asyncio.to_thread(provide, [HAPROXY])
    except ProgramsMissingError:
        pytest.skip("needs haproxy: apt-get install haproxy, or brew install haproxy")
    async with AsyncExitStack() as stack:
        ports = [server.port for server in serving]
        balancer = await stack.enter_async_context(running(Balancer(ports)))
        options: dict[str, Any] = {"submitters": 8, "subscribers": 12}
        load = await stack.enter_async_context(
            a_load(lambda: [balancer.url], a_game(database_url), **options)
        )
        for server in serving:
            assert await asyncio.to_thread(server.leave, GRACE_SECONDS + 10.0) == 0
            await everybody_turns(load, await end_season(database_url))  # on the other one
            await load.flows()
            await asyncio.to_thread(server.start)
            await eventually(lambda: balancer.reaches() == len(serving))
            await load.flows()

        await reckon(load, database_url, redis_url)
        # Every stream met a farewell, every submission an answer at the first attempt.
        assert sum(subscriber.farewells for subscriber in load.subscribers) >= 12
        assert load.refusals == []
