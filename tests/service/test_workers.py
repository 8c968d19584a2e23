"""`scoreboard serve --workers N`: real processes on one port, and what becomes of them."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from prometheus_client import multiprocess

from scoreboard.commands.serving import this_program
from scoreboard.console.reports import CommandFailed
from scoreboard.processes.crew import bound_seats
from scoreboard.processes.patience import Patience
from scoreboard.processes.worker import Worker
from scoreboard.processes.workers import Supervisor
from tests.eventually import eventually
from tests.servers.ports import ReservedPort
from tests.workers import PATIENCE, Group, environment_of, serving
from tests.world import sql

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(database_url: str, redis_url: str, amqp_url: str) -> dict[str, str]:
    return environment_of(database_url, redis_url, amqp_url)


@asynccontextmanager
async def a_group(environment: dict[str, str]) -> AsyncIterator[Group]:
    port = ReservedPort()
    with serving(environment, port.number) as started:
        await eventually(
            lambda: started.answers() and len(started.instances()) == 2, within_seconds=PATIENCE
        )
        yield started
    port.release()


@pytest.fixture(scope="module")
def shared_environment(
    shared_database_url: str, shared_redis_url: str, shared_amqp_url: str
) -> dict[str, str]:
    return environment_of(shared_database_url, shared_redis_url, shared_amqp_url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def group(shared_environment: dict[str, str]) -> AsyncIterator[Group]:
    """One for all tests that leave two workers behind, though these may be others, under names
    that go on where those of the first ones ended.
    """
    async with a_group(shared_environment) as started:
        yield started


@pytest.fixture
async def own_group(environment: dict[str, str]) -> AsyncIterator[Group]:
    """One to be ended."""
    async with a_group(environment) as started:
        yield started


async def test_each_worker_is_an_instance_of_its_own_name(group: Group) -> None:
    assert group.instances() == {"web-1", "web-2"}


async def test_metrics_add_up_whichever_worker_is_asked(group: Group) -> None:
    route = r'http_requests_total{method="GET",route="/healthz",status="200"}'
    pattern = re.escape(route)
    before = group.metric(pattern)

    group.instances()  # 40 requests, spread over both

    assert {group.metric(pattern) - before for _ in range(10)} == {40.0}
    for name in group.instances():
        who = re.escape(f'instance_info{{name="{name}",role="all"}}')
        await eventually(functools.partial(group.metric, who))
    assert group.metric("process_open_fds") > 20


async def test_a_worker_that_died_is_replaced_and_leaves_the_sums(group: Group) -> None:
    before, names = group.workers(), group.instances()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)

    await eventually(
        lambda: victim not in group.workers() and len(group.workers()) == 2,
        within_seconds=PATIENCE,
    )
    await eventually(lambda: group.instances() == names, within_seconds=PATIENCE)
    connected = re.escape('bus_connected{side="consume"}')
    await eventually(lambda: group.metric(connected) == 1.0, within_seconds=PATIENCE)


async def test_sighup_replaces_every_worker_and_somebody_answers_throughout(group: Group) -> None:
    before = group.workers()
    group.supervisor.send_signal(signal.SIGHUP)

    def replaced() -> bool:
        group.get("/readyz")
        now = group.workers()
        return len(now) == 2 and not now & before

    await eventually(replaced, within_seconds=PATIENCE, every_seconds=0.01)
    assert len(group.instances()) == 2


async def test_a_renewal_that_fails_leaves_the_workers_that_are_there(
    group: Group, shared_database_url: str
) -> None:
    before, names = group.workers(), group.instances()
    # So none can start.
    sql(shared_database_url, "ALTER TABLE _yoyo_migration RENAME TO elsewhere")
    try:
        group.supervisor.send_signal(signal.SIGHUP)

        await eventually(lambda: group.workers() > before, within_seconds=PATIENCE)
        await eventually(lambda: group.workers() == before, within_seconds=PATIENCE)
        assert group.instances() == names
    finally:
        sql(shared_database_url, "ALTER TABLE elsewhere RENAME TO _yoyo_migration")


async def test_sigterm_ends_all_of_them(own_group: Group) -> None:
    workers = own_group.workers()
    own_group.supervisor.terminate()
    assert own_group.supervisor.wait(PATIENCE) == 0
    assert not any(psutil.pid_exists(pid) for pid in workers)


async def test_workers_do_not_outlive_a_supervisor_that_was_killed(own_group: Group) -> None:
    workers = own_group.workers()
    own_group.supervisor.kill()
    await eventually(
        lambda: not any(psutil.pid_exists(pid) for pid in workers), within_seconds=PATIENCE
    )


async def test_a_port_that_is_taken_is_refused_rather_than_shared(
    group: Group, shared_environment: dict[str, str]
) -> None:
    with serving(shared_environment, group.port) as second:
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


def test_sighup_before_there_are_workers_ends_nothing(environment: dict[str, str]) -> None:
    port = ReservedPort()
    environment |= {"SCOREBOARD_DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    with serving(environment, port.number) as group:
        assert group.supervisor.stderr is not None
        assert b"waiting" in group.supervisor.stderr.readline()
        group.supervisor.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            group.supervisor.wait(1.0)
        group.supervisor.terminate()
        assert group.supervisor.wait(PATIENCE) == 0
    port.release()


def test_workers_load_no_modules_from_the_directory_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "argparse.py").write_text("raise SystemExit('loaded from where we are')\n")
    monkeypatch.setattr(sys, "argv", ["/usr/bin/scoreboard", "serve"])

    started = subprocess.run(
        [*this_program(), "version"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (started.returncode, started.stderr) == (0, "")


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


class Run:
    """A supervisor in this process, whose two workers say that they are ready and serve nothing."""

    def __init__(self, directory: Path, patience: Patience) -> None:
        self.words = directory / "says.py"
        self.will("os.write(line, b'ur'); time.sleep(60)")
        self.stack = ExitStack()
        self.seats = self.stack.enter_context(bound_seats("127.0.0.1", 0, 2))
        self.late_seconds = 0.0  # by which the supervisor's clock is ahead
        command = [sys.executable, "-c", f"import runpy; runpy.run_path({str(self.words)!r})"]
        self.supervisor = Supervisor(
            self.seats,
            command,
            {},
            instance="web",
            metrics_directory=str(directory),
            end_seconds=PATIENCE,
            patience=patience,
            clock=lambda: time.monotonic() + self.late_seconds,
        )
        self.listens = asyncio.Event()
        self.task = asyncio.create_task(self.supervisor.run(self.listens.set))

    def will(self, says: str) -> None:
        """What those will do that are started from now on."""
        script = f"import os, signal, sys, time\nline = int(sys.argv[1])\n{says}\n"
        self.words.write_text(script)

    @property
    def workers(self) -> list[Worker]:
        return list(self.supervisor.crew.workers)

    def numbers(self) -> list[int]:
        return sorted(worker.number for worker in self.workers)

    def renew(self) -> None:
        self.supervisor.renew()

    def attended(self) -> list[int]:
        """Who is to let in who comes to each seat, by the process."""
        found = {seat: each.process.pid for each in self.workers for seat in each.attends}
        return [found[seat] for seat in sorted(found)]

    async def end(self) -> None:
        self.supervisor.stop()
        with suppress(CommandFailed):
            await self.task
        self.stack.close()


@pytest.fixture
def patience() -> Patience:
    return Patience(healthy_seconds=0.0)  # so that a dead one is replaced at once


@pytest.fixture
async def run(tmp_path: Path, patience: Patience) -> AsyncIterator[Run]:
    run = Run(tmp_path, patience)
    await asyncio.wait_for(run.listens.wait(), PATIENCE)
    yield run
    await run.end()


async def test_a_worker_that_is_just_being_started_ends_before_its_supervisor(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldStarts(monkeypatch)
    run.workers[0].process.kill()
    await eventually(lambda: held.processes, within_seconds=PATIENCE)

    ending = asyncio.create_task(run.end())
    await asyncio.sleep(0)
    held.go_on.set()
    await ending

    assert [process.returncode for process in held.processes] == [-signal.SIGTERM]


async def test_workers_that_die_together_are_replaced_each_under_a_name_of_its_own(
    run: Run,
) -> None:
    before = list(run.workers)
    for worker in before:
        worker.process.kill()

    await eventually(
        lambda: run.numbers() == [1, 2] and not set(run.workers) & set(before),
        within_seconds=PATIENCE,
    )


async def test_the_seat_of_a_worker_that_died_is_attended_by_another_one_meanwhile(
    run: Run,
) -> None:
    first, second = (worker.process.pid for worker in run.workers)
    assert run.attended() == [first, second]
    run.will("os.write(line, b'u'); time.sleep(60)")  # it is up, and has no board

    run.workers[0].process.kill()

    await eventually(lambda: run.attended() == [second, second], within_seconds=PATIENCE)
    await eventually(lambda: [each.state for each in run.workers] == ["ready", "up"])
    run.workers[1].state = "ready"
    await eventually(lambda: run.attended() == [run.workers[1].process.pid, second])


async def test_a_worker_that_somebody_tells_to_end_is_replaced_before_it_has_ended(
    run: Run,
) -> None:
    leaving = run.workers[0]
    leaving.state = "leaving"

    await eventually(lambda: len(run.workers) == 3, within_seconds=PATIENCE)
    assert leaving in run.workers


async def test_nobody_ends_who_is_not_succeeded_by_one_that_is_ready(run: Run) -> None:
    before = list(run.workers)
    run.will("os.write(line, b'u'); time.sleep(60)")  # it is up, and has no board

    run.renew()
    await eventually(lambda: [each.state for each in run.workers[2:]] == ["up"])
    await asyncio.sleep(0)
    assert run.attended() == [worker.process.pid for worker in before]

    run.workers[2].state = "ready"
    await eventually(lambda: before[0] not in run.workers, within_seconds=PATIENCE)
    assert before[1] in run.workers


async def test_both_die_while_they_are_renewed_and_their_successors_stay(run: Run) -> None:
    before = list(run.workers)
    run.will("os.write(line, b'u'); time.sleep(0.3); os.write(line, b'r'); time.sleep(60)")
    run.renew()
    await eventually(lambda: len(run.workers) == 3, within_seconds=PATIENCE)
    successor = run.workers[2]

    for worker in before:
        worker.process.kill()

    await eventually(
        lambda: len(run.workers) == 2 and not run.supervisor.renewal, within_seconds=PATIENCE
    )
    assert successor in run.workers
    assert len(run.attended()) == 2


async def test_successors_that_die_are_given_up_after_a_few_and_the_older_ones_go_on(
    run: Run,
) -> None:
    before = list(run.workers)
    attempts = run.words.with_name("attempts")
    run.will(f"open({str(attempts)!r}, 'a').write('.'); sys.exit(1)")

    run.renew()
    await eventually(lambda: not run.supervisor.renewal, within_seconds=PATIENCE)

    assert run.workers == before
    assert attempts.read_text() == "..."


@pytest.mark.parametrize("patience", [Patience(ready_seconds=0.5)])
async def test_a_successor_that_does_not_become_ready_is_given_up(run: Run) -> None:
    before = list(run.workers)
    run.will("os.write(line, b'u'); time.sleep(60)")

    run.renew()
    await eventually(lambda: len(run.workers) == 3, within_seconds=PATIENCE)
    await eventually(lambda: run.workers == before, within_seconds=PATIENCE)

    assert run.attended() == [worker.process.pid for worker in before]


async def test_two_renewals_at_once_leave_workers_that_were_started_after_the_second(
    run: Run,
) -> None:
    before = list(run.workers)
    run.renew()
    await eventually(lambda: len(run.workers) == 3, within_seconds=PATIENCE)
    run.renew()

    await eventually(
        lambda: not run.supervisor.renewal and len(run.workers) == 2, within_seconds=PATIENCE
    )
    assert not set(run.workers) & set(before)
    assert {worker.generation for worker in run.workers} == {2}


@pytest.mark.parametrize(
    "patience",
    [Patience(healthy_seconds=PATIENCE, pause_seconds=PATIENCE, pause_max_seconds=PATIENCE)],
)
async def test_a_renewal_ends_a_crash_loop_at_once_when_its_cause_is_mended(run: Run) -> None:
    run.will("sys.exit(1)")
    for worker in list(run.workers):
        worker.process.kill()
    await eventually(lambda: not run.workers, within_seconds=PATIENCE)

    run.will("os.write(line, b'ur'); time.sleep(60)")
    run.renew()

    await eventually(lambda: len(run.attended()) == 2, within_seconds=PATIENCE)


async def test_a_worker_that_is_told_to_renew_like_its_supervisor_goes_on(run: Run) -> None:
    """Somebody sends SIGHUP to all processes of this name, be it to one that has just begun."""
    before = list(run.workers)
    run.will("os.kill(os.getpid(), signal.SIGHUP); os.write(line, b'ur'); time.sleep(60)")

    run.renew()

    await eventually(
        lambda: not run.supervisor.renewal and len(run.workers) == 2, within_seconds=PATIENCE
    )
    assert not set(run.workers) & set(before)


async def test_a_renewal_does_not_wait_for_successors_that_an_earlier_one_has_started(
    run: Run,
) -> None:
    before = list(run.workers)
    run.will("os.write(line, b'u'); time.sleep(60)")  # it is up, and will not be ready
    run.renew()
    await eventually(
        lambda: [each.state for each in run.workers[2:]] == ["up"], within_seconds=PATIENCE
    )

    run.will("os.write(line, b'ur'); time.sleep(60)")  # what kept it from that was mended
    run.renew()

    await eventually(
        lambda: not run.supervisor.renewal and len(run.workers) == 2, within_seconds=PATIENCE
    )
    assert not set(run.workers) & set(before)


async def test_a_worker_that_takes_long_to_end_takes_no_time_from_the_next_successor(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(run.workers)
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "terminate", lambda worker: setattr(worker, "retiring", True))
        run.renew()
        await eventually(lambda: before[0].retiring, within_seconds=PATIENCE)

    run.late_seconds = 50.0  # it has taken longer than a successor may
    before[0].process.kill()

    await eventually(
        lambda: not run.supervisor.renewal and not set(run.workers) & set(before),
        within_seconds=PATIENCE,
    )


async def test_an_end_in_the_midst_of_a_renewal_leaves_nobody(run: Run) -> None:
    run.will("os.write(line, b'u'); time.sleep(60)")
    run.renew()
    await eventually(lambda: len(run.workers) == 3, within_seconds=PATIENCE)
    pids = [worker.process.pid for worker in run.workers]

    await run.end()

    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_gauges_that_cannot_be_forgotten_cost_no_worker(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no such thing")

    monkeypatch.setattr(multiprocess, "mark_process_dead", fail)
    before = list(run.workers)
    before[0].process.kill()

    await eventually(
        lambda: len(run.workers) == 2 and before[0] not in run.workers, within_seconds=PATIENCE
    )
