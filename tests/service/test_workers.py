"""`scoreboard serve --workers N`: real processes on one port, and what becomes of them."""

from __future__ import annotations

import asyncio
import functools
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

import scoreboard
from scoreboard.commands import workers
from scoreboard.commands.workers import METRICS_DIRECTORY, Supervisor
from tests.eventually import eventually
from tests.instances import SECRET, UNLIMITED
from tests.servers.ports import ReservedPort
from tests.world import sql

pytestmark = pytest.mark.slow
PATIENCE = 60.0


class Group:
    """A supervisor and its workers."""

    def __init__(self, supervisor: subprocess.Popen[bytes], port: int) -> None:
        self.supervisor = supervisor
        self.port = port

    def workers(self) -> set[int]:
        """The process ids of the workers that are there now."""
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.supervisor.pid).children()
            return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}
        return set()

    def get(self, path: str) -> bytes:
        """The answer over a connection of its own, so whichever worker the kernel chooses."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200
            return response.read()
        finally:
            connection.close()

    def instances(self) -> set[str]:
        """Who answers, asked often enough to hear everybody."""
        return {json.loads(self.get("/healthz"))["instance"] for _ in range(40)}

    def answers(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return bool(self.get("/healthz"))
        return False

    def metric(self, pattern: str) -> float:
        found = re.search(rf"^scoreboard_{pattern} (\S+)$", self.get("/metrics").decode(), re.M)
        return float(found[1]) if found else 0.0


@pytest.fixture
def environment(database_url: str, redis_url: str, amqp_url: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if "SCOREBOARD_" not in key}
    return inherited | {
        "PYTHONPATH": str(Path(scoreboard.__file__).parents[1]),
        "SCOREBOARD_DATABASE_URL": database_url,
        "SCOREBOARD_REDIS_URL": redis_url,
        "SCOREBOARD_AMQP_URL": amqp_url,
        "SCOREBOARD_JWT_SECRET": SECRET,
        "SCOREBOARD_RATE_LIMIT_PER_IP": UNLIMITED,
        "SCOREBOARD_INSTANCE": "web",
    }


@contextmanager
def serving(environment: dict[str, str], port: int, workers: int = 2) -> Iterator[Group]:
    command = [sys.executable, "-m", "scoreboard", "serve", "--workers", str(workers)]
    with subprocess.Popen(
        [*command, "--port", str(port)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as supervisor:
        group = Group(supervisor, port)
        try:
            yield group
        finally:
            supervisor.terminate()
            with suppress(subprocess.TimeoutExpired):
                supervisor.communicate(timeout=PATIENCE)
            supervisor.kill()


@pytest.fixture
async def group(environment: dict[str, str]) -> AsyncIterator[Group]:
    port = ReservedPort()
    with serving(environment, port.number) as started:
        await eventually(
            lambda: started.answers() and len(started.instances()) == 2, within_seconds=PATIENCE
        )
        yield started
    port.release()


async def test_each_worker_is_an_instance_of_its_own_name(group: Group) -> None:
    assert group.instances() == {"web-1", "web-2"}


async def test_metrics_add_up_whichever_worker_is_asked(group: Group) -> None:
    route = r'http_requests_total{method="GET",route="/healthz",status="200"}'
    pattern = re.escape(route)
    before = group.metric(pattern)

    group.instances()  # 40 requests, spread over both

    assert {group.metric(pattern) - before for _ in range(10)} == {40.0}
    for name in ("web-1", "web-2"):
        who = re.escape(f'instance_info{{name="{name}",role="all"}}')
        await eventually(functools.partial(group.metric, who))
    assert group.metric("process_open_fds") > 20


async def test_a_worker_that_died_is_replaced_and_leaves_the_sums(group: Group) -> None:
    before = group.workers()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)

    await eventually(
        lambda: victim not in group.workers() and len(group.workers()) == 2,
        within_seconds=PATIENCE,
    )
    await eventually(lambda: group.instances() == {"web-1", "web-2"}, within_seconds=PATIENCE)
    connected = re.escape('bus_connected{side="consume"}')
    await eventually(lambda: group.metric(connected) == 1.0, within_seconds=PATIENCE)


async def test_sighup_replaces_every_worker_and_somebody_answers_throughout(group: Group) -> None:
    before = group.workers()
    group.supervisor.send_signal(signal.SIGHUP)

    def replaced() -> bool:
        # Refused would mean that nobody listens; a reset is the kernel's, for a connection that
        # stood in the queue of a worker in the moment of its end.
        with suppress(ConnectionResetError, http.client.RemoteDisconnected):
            group.get("/healthz")
        now = group.workers()
        return len(now) == 2 and not now & before

    await eventually(replaced, within_seconds=PATIENCE, every_seconds=0.01)
    assert len(group.instances()) == 2


async def test_a_renewal_that_fails_leaves_the_workers_that_are_there(
    group: Group, database_url: str
) -> None:
    before = group.workers()
    sql(database_url, "ALTER TABLE _yoyo_migration RENAME TO elsewhere")  # so none can start
    group.supervisor.send_signal(signal.SIGHUP)

    await eventually(lambda: group.workers() > before, within_seconds=PATIENCE)
    await eventually(lambda: group.workers() == before, within_seconds=PATIENCE)
    assert group.instances() == {"web-1", "web-2"}


async def test_sigterm_ends_all_of_them(group: Group) -> None:
    workers = group.workers()
    group.supervisor.terminate()
    assert group.supervisor.wait(PATIENCE) == 0
    assert not any(psutil.pid_exists(pid) for pid in workers)


async def test_workers_do_not_outlive_a_supervisor_that_was_killed(group: Group) -> None:
    workers = group.workers()
    group.supervisor.kill()
    await eventually(
        lambda: not any(psutil.pid_exists(pid) for pid in workers), within_seconds=PATIENCE
    )


async def test_a_port_that_is_taken_is_refused_rather_than_shared(
    group: Group, environment: dict[str, str]
) -> None:
    with serving(environment, group.port) as second:
        _, message = second.supervisor.communicate(timeout=PATIENCE)
    assert second.supervisor.returncode == 1
    assert f"Port {group.port}" in message.decode()


async def test_workers_that_cannot_start_end_the_supervisor(
    environment: dict[str, str], empty_database_url: str
) -> None:
    """Restarting them for ever would hide a mistake that somebody has to mend."""
    port = ReservedPort()
    environment |= {"SCOREBOARD_DATABASE_URL": empty_database_url}
    with serving(environment, port.number) as group:
        _, message = group.supervisor.communicate(timeout=PATIENCE)
    assert group.supervisor.returncode == 1
    assert "scoreboard migrate" in message.decode()
    port.release()


class HeldStarts:
    """Every process that is started from now on, and its starter waits until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.processes: list[asyncio.subprocess.Process] = []
        self.go_on = asyncio.Event()
        self._start = asyncio.create_subprocess_exec
        monkeypatch.setattr(asyncio, "create_subprocess_exec", self._hold)

    async def _hold(self, *command: str, **options: Any) -> asyncio.subprocess.Process:
        process = await self._start(*command, **options)
        self.processes.append(process)
        await self.go_on.wait()
        return process


@pytest.fixture
async def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Supervisor]:
    """It has two workers, which serve nothing."""
    monkeypatch.setattr(workers, "_HEALTHY_SECONDS", 0.0)  # so that a dead one is replaced at once
    idle = "import os, sys, time; os.write(int(sys.argv[1]), b'+'); time.sleep(60)"
    supervisor = Supervisor(
        2,
        [sys.executable, "-c", idle],
        {METRICS_DIRECTORY: str(tmp_path)},
        instance="web",
        end_seconds=PATIENCE,
    )
    await supervisor._start_all()
    yield supervisor
    await supervisor._end_all()


async def test_a_worker_that_is_just_being_started_ends_before_its_supervisor(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldStarts(monkeypatch)
    supervisor._workers[1].kill()
    await eventually(lambda: held.processes, within_seconds=PATIENCE)

    ending = asyncio.create_task(supervisor._end_all())
    await eventually(lambda: not supervisor._workers, within_seconds=PATIENCE)
    held.go_on.set()
    await ending

    assert [process.returncode for process in held.processes] == [-signal.SIGTERM]


async def test_workers_that_die_together_are_replaced_each_under_a_name_of_its_own(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldStarts(monkeypatch)
    for worker in supervisor._workers.values():
        worker.kill()
    await eventually(lambda: not supervisor._workers, within_seconds=PATIENCE)

    held.go_on.set()

    await eventually(lambda: set(supervisor._workers) == {1, 2}, within_seconds=PATIENCE)
