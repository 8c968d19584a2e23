"""What there is runs out: the files of an instance, the room on PostgreSQL's disk."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from scoreboard.database.migrations import migrate
from tests.conftest import a_database
from tests.eventually import eventually
from tests.instances import Start
from tests.load import a_load
from tests.reckoning import a_game, reckon
from tests.servers import PostgresServer
from tests.servers.process import running
from tests.servers.scoreboard import ScoreboardServer

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def server(
    database_url: str, redis_url: str, amqp_url: str
) -> AsyncIterator[ScoreboardServer]:
    server = ScoreboardServer(database_url, redis_url, amqp_url)
    async with running(server):
        yield server


# --- files ---


async def test_an_instance_without_a_file_left_serves_whom_it_has_and_recovers(
    server: ScoreboardServer, database_url: str, redis_url: str
) -> None:
    async with a_load(lambda: [server.url], a_game(database_url)) as load:
        before = await cpu_of_a_second(server)
        most = server.itself.num_fds() + 20
        server.itself.rlimit(psutil.RLIMIT_NOFILE, (most, most))
        crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
        await eventually(lambda: server.itself.num_fds() >= most - 1)

        # A loop that tries in vain to accept takes all of a processor.
        assert await cpu_of_a_second(server) < 2 * before + 0.3
        await load.flows()  # on the connections that there are
        for client in crowd:
            client.close()
        await eventually(server.is_ready)
        await reckon(load, database_url, redis_url)
        assert all(subscriber.streams == 1 for subscriber in load.subscribers)


async def cpu_of_a_second(server: ScoreboardServer) -> float:
    began = sum(server.itself.cpu_times()[:2])
    await asyncio.sleep(1)  # not a wait for anything: it is what is measured
    return sum(server.itself.cpu_times()[:2]) - began


@pytest.fixture
def few_files() -> Iterator[None]:
    """What a shell or a service manager allows at first: less than the hard limit."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_an_instance_takes_as_many_files_as_it_may(
    few_files: None, server: ScoreboardServer
) -> None:
    """The usual 1,024 would end `subscribers_max` at a fifteenth."""
    now, most = server.itself.rlimit(psutil.RLIMIT_NOFILE)
    assert now == most > 512


# --- disk ---


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 160 MB, of which an empty PostgreSQL takes half.

    Not below `tmp_path`, which the account that PostgreSQL runs as may not enter.
    """
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root may mount a small file system")
    with tempfile.TemporaryDirectory(prefix="scoreboard-disk-") as directory:
        disk = Path(directory)
        command = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", directory]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("this system does not let us mount a small file system")
        yield disk
        subprocess.run(["umount", "--lazy", directory], check=True)


@pytest.fixture
def postgres_on_a_small_disk(small_disk: Path) -> Iterator[PostgresServer]:
    with PostgresServer(room=small_disk) as server:
        yield server


async def test_postgresql_without_room_is_503_and_is_back_once_there_is_room(
    start: Start, redis_url: str, postgres_on_a_small_disk: PostgresServer, small_disk: Path
) -> None:
    server = postgres_on_a_small_disk
    with a_database(server.url, "scoreboard", template="template1") as database_url:
        migrate(database_url)
        instance = await start(database_url=database_url)
        async with a_load(lambda: [instance.url], a_game(database_url)) as load:
            ballast = small_disk / "ballast"
            fill(ballast)
            await eventually(lambda: load.count(status=503) >= 20, within_seconds=30.0)
            await load.reading_goes_on()
            assert "No space left on device" in server.log.read_text(errors="replace")

            ballast.unlink()
            await load.flows()
            await reckon(load, database_url, redis_url)
            assert all(subscriber.streams == 1 for subscriber in load.subscribers)
        await instance.stop()


def fill(file: Path) -> None:
    """Take all the room that is left."""
    with file.open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(1 << 16))
        except OSError:
            pass
