"""A terminal that is closed while a command runs on it, as its window's end does it."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.eventually import eventually
from tests.instances import Start
from tests.servers.ports import ReservedPort
from tests.workers import PATIENCE, Group, environment_of

pytestmark = pytest.mark.slow
NOWHERE = {key: value for key, value in os.environ.items() if "SCOREBOARD_" not in key}


# Its standard input becomes the terminal of a session of its own, and it becomes a shell.
_LOGIN = "import os, sys; os.login_tty(0); os.execv('/bin/sh', ['sh', '-c', sys.argv[1]])"


class Window:
    """A terminal with one command on it, which a shell has started; standard error is a file."""

    def __init__(self, line: str, directory: Path, environment: dict[str, str]) -> None:
        self._errors = directory / "errors"
        self._ours, theirs = pty.openpty()
        command = line.replace("scoreboard ", f"{sys.executable} -m scoreboard ")
        self.shell = subprocess.Popen(
            [sys.executable, "-c", _LOGIN, f"{command} 2> {self._errors}; exit $?"],
            cwd=directory,
            env=NOWHERE | {"PYTHONPATH": str(Path(__file__).parents[2])} | environment,
            stdin=theirs,
        )
        os.close(theirs)

    def tree(self) -> list[psutil.Process]:
        """The command and all that it has started, wherever that went."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.shell.pid).children(recursive=True)
        return []

    def errors(self) -> str:
        return self._errors.read_text() if self._errors.exists() else ""

    def shown(self) -> str:
        """What has been written to the terminal, as far as it was not read yet."""
        os.set_blocking(self._ours, False)
        with suppress(BlockingIOError):
            return os.read(self._ours, 65_536).decode()
        return ""

    def close(self) -> None:
        """Close the window."""
        if self._ours >= 0:
            os.close(self._ours)
        self._ours = -1

    def end(self, tree: list[psutil.Process]) -> None:
        self.close()
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.shell.kill()
        self.shell.wait()


@contextmanager
def window(line: str, directory: Path, **environment: str) -> Iterator[Window]:
    opened = Window(line, directory, environment)
    try:
        yield opened
    finally:
        opened.end(opened.tree())


def are_gone(tree: list[psutil.Process]) -> bool:
    return not any(process.is_running() for process in tree)


async def test_an_embedded_run_ends_with_its_terminal_and_takes_its_servers_along(
    tmp_path: Path,
) -> None:
    port = ReservedPort()
    line = f"scoreboard serve --embedded --port {port.number}"
    with window(line, tmp_path) as opened:
        await eventually(lambda: "Scoreboard runs" in opened.shown(), within_seconds=PATIENCE)
        tree = opened.tree()
        assert {"postgres"} <= {process.name() for process in tree}

        opened.close()

        await eventually(lambda: are_gone(tree), within_seconds=PATIENCE)
        assert "Traceback" not in opened.errors()
        assert not (tmp_path / ".scoreboard" / "postgres" / "postmaster.pid").exists()
    port.release()


@pytest.fixture
def servers(database_url: str, redis_url: str, amqp_url: str) -> dict[str, str]:
    return {
        key: value
        for key, value in environment_of(database_url, redis_url, amqp_url).items()
        if key.startswith("SCOREBOARD_")
    }


async def test_workers_end_with_their_terminal_and_are_not_renewed(
    tmp_path: Path, servers: dict[str, str]
) -> None:
    port = ReservedPort()
    line = f"scoreboard serve --workers 2 --port {port.number}"
    with window(line, tmp_path, **servers) as opened:
        await eventually(lambda: "workers.listening" in opened.errors(), within_seconds=PATIENCE)
        tree = opened.tree()

        opened.close()

        await eventually(lambda: are_gone(tree), within_seconds=PATIENCE)
        assert "Traceback" not in opened.errors()
        assert opened.errors().count("workers.started") == 2
    port.release()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_under_nohup_a_service_goes_on_without_its_terminal(
    tmp_path: Path, servers: dict[str, str], workers: str
) -> None:
    port = ReservedPort()
    line = f"nohup scoreboard serve --workers {workers} --port {port.number} > {tmp_path}/out"
    with window(line, tmp_path, **servers) as opened:
        group = Group(opened.shell, port.number)
        await eventually(group.answers, within_seconds=PATIENCE)
        tree = opened.tree()
        try:
            opened.close()
            tree[0].send_signal(signal.SIGHUP)  # once more, as a shell does with its jobs
            await asyncio.sleep(1.0)
            assert group.answers()
            tree[0].terminate()
            await eventually(lambda: are_gone(tree), within_seconds=PATIENCE)
        finally:
            opened.end(tree)
        assert "renew" not in opened.errors()
    port.release()


@pytest.mark.parametrize("where", ["<&- >&- 2>&-", "> /dev/full 2> /dev/full"])
async def test_a_service_whose_log_nobody_takes_serves_all_the_same(
    tmp_path: Path, servers: dict[str, str], where: str
) -> None:
    port = ReservedPort()
    line = f"(exec scoreboard serve --port {port.number} {where})"
    with window(line, tmp_path, **servers) as opened:
        await eventually(Group(opened.shell, port.number).answers, within_seconds=PATIENCE)
        opened.tree()[-1].terminate()
        assert await asyncio.to_thread(opened.shell.wait, PATIENCE) == 0
    port.release()


async def test_players_leave_with_their_terminal_without_a_traceback(
    tmp_path: Path, start: Start
) -> None:
    instance = await start()
    with window(f"scoreboard demo --url {instance.url}", tmp_path) as opened:
        await eventually(lambda: "players" in opened.shown(), within_seconds=PATIENCE)
        tree = opened.tree()

        opened.close()

        await eventually(lambda: are_gone(tree), within_seconds=PATIENCE)
        assert opened.errors() in (
            "",
            "scoreboard: The answer cannot be written to standard output: Input/output error.\n",
        )
