"""Several processes on one port (`scoreboard serve --workers N`), and who looks after them.

Each worker is a whole instance: it has its own name (`<instance>-<n>`), its own queue on the
exchange and its own connections, and listens on the shared port (SO_REUSEPORT), among whose
listeners the kernel spreads new connections. The supervisor serves nothing. It starts a worker
again that has died, replaces all of them one after the other on SIGHUP, so that new code and
settings come in without a gap, and passes SIGTERM on.

A socket joins it to each worker: the worker says over it that it listens, and ends when it closes,
so that no worker outlives a supervisor that was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import structlog

from scoreboard.commands.failure import CommandFailed
from scoreboard.connections.cancellation import unless_set

log = structlog.get_logger("scoreboard.workers")

# Where prometheus_client keeps the numbers of several processes.
METRICS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"

_NAME: Final = "SCOREBOARD_INSTANCE"

_START_SECONDS: Final = 60.0
_GRACE_SECONDS: Final = 10.0  # past what the settings allow: parts close one after the other
_HEALTHY_SECONDS: Final = 10.0  # one that lived this long did not die of its start
_BACKOFF_FIRST_SECONDS: Final = 0.5
_BACKOFF_LAST_SECONDS: Final = 30.0


@dataclass(eq=False)
class Worker:
    """One process; nobody takes the place of one that is `retiring`."""

    number: int
    process: asyncio.subprocess.Process
    lifeline: socket.socket
    started: float
    retiring: bool = False

    async def listens(self) -> bool:
        """Return when it listens (True), or has ended or taken too long (False)."""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_START_SECONDS):
                return bool(await asyncio.get_running_loop().sock_recv(self.lifeline, 1))
        return False

    def terminate(self) -> None:
        """Ask it to end in order."""
        self.retiring = True
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


class Supervisor:
    """Keeps `workers` processes of `command` running until SIGTERM or SIGINT.

    `command` gets the number of the lifeline's file appended; `environment` goes over ours, and the
    worker's name over both.
    """

    def __init__(
        self,
        workers: int,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        instance: str,
        end_seconds: float,
    ) -> None:
        self._wanted = workers
        self._command = command
        self._environment = environment
        self._instance = instance
        self._end_seconds = end_seconds
        self._workers: dict[int, Worker] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._stop = asyncio.Event()
        self._renew = asyncio.Event()
        self._early_deaths = 0

    async def run(self, on_listening: Callable[[], None]) -> None:
        """Start, keep and end the workers. Raises CommandFailed when they cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._renew.set)
        try:
            await unless_set(self._stop, self._start_all())
            if not self._stop.is_set():
                log.info("scoreboard.workers.listening", workers=self._wanted)
                on_listening()
            while not self._stop.is_set():
                await unless_set(self._stop, self._renew.wait())
                if self._renew.is_set():
                    self._renew.clear()
                    await unless_set(self._stop, self._renew_all())
        finally:
            await self._end_all()

    async def _start_all(self) -> None:
        workers = [await self._start() for _ in range(self._wanted)]
        if not all(await asyncio.gather(*(worker.listens() for worker in workers))):
            raise CommandFailed("A worker could not start; its own message says why.")

    async def _renew_all(self) -> None:
        """Replace each worker by a new one, which listens before the old one is told to end."""
        for worker in list(self._workers.values()):
            successor = await self._start(on_trial=True)
            if not await successor.listens():
                successor.kill()
                log.error("scoreboard.workers.renewal_failed", kept=worker.number)
                return
            successor.retiring = False
            # One that has died meanwhile is replaced already, or about to be.
            leaving = worker if self._workers.get(worker.number) is worker else successor
            leaving.terminate()
            await self._ended(leaving)
        log.info("scoreboard.workers.renewed", workers=len(self._workers))

    async def _start(self, *, on_trial: bool = False) -> Worker:
        async with self._starting:  # two that start at once would take the same number
            # The least free one, so that names stay few, and no two that live at once are the same.
            number = next(n for n in count(1) if n not in self._workers)
            ours, theirs = socket.socketpair()
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    str(theirs.fileno()),
                    env=os.environ | self._environment | {_NAME: f"{self._instance}-{number}"},
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            ours.setblocking(False)
            worker = self._workers[number] = Worker(
                number, process, ours, time.monotonic(), retiring=on_trial
            )
        log.info("scoreboard.workers.started", worker=number, pid=process.pid)
        watcher = asyncio.create_task(self._watch(worker))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        return worker

    async def _watch(self, worker: Worker) -> None:
        """Wait for its end; put another in its place unless the end was wanted."""
        code = await worker.process.wait()
        worker.lifeline.close()
        _forget_gauges(self._environment[METRICS_DIRECTORY], worker.process.pid)
        del self._workers[worker.number]
        if worker.retiring or self._stop.is_set():
            return
        lived = time.monotonic() - worker.started
        self._early_deaths = self._early_deaths + 1 if lived < _HEALTHY_SECONDS else 0
        log.error("scoreboard.workers.died", worker=worker.number, code=code, seconds=round(lived))
        pause = min(_BACKOFF_FIRST_SECONDS * 2**self._early_deaths, _BACKOFF_LAST_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause if self._early_deaths else 0):
                await self._stop.wait()
        while not self._stop.is_set():
            try:
                await self._start()
                return
            except OSError as error:  # no process to be had
                log.error("scoreboard.workers.not_started", error=str(error))
                await asyncio.sleep(_BACKOFF_FIRST_SECONDS)

    async def _ended(self, *workers: Worker) -> None:
        """Wait for their ends, with a deadline."""
        waits = [asyncio.create_task(worker.process.wait()) for worker in workers]
        _, late = await asyncio.wait(waits, timeout=self._end_seconds + _GRACE_SECONDS)
        for worker in workers if late else ():
            log.error("scoreboard.workers.killed", worker=worker.number)
            worker.kill()
        await asyncio.gather(*waits)

    async def _end_all(self) -> None:
        self._stop.set()
        while self._watchers:  # again: one of them may just have been starting another worker
            workers = list(self._workers.values())
            for worker in workers:
                worker.terminate()
            if workers:
                await self._ended(*workers)
            await asyncio.gather(*self._watchers)


@contextlib.contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """Hold a port that the workers will listen on; 0 takes a free one. Raises OSError when another
    program has it, which SO_REUSEPORT alone would share with us without a word.
    """
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        port = probe.getsockname()[1]
    with socket.socket(family) as holder:  # bound and never listening: it gets no connections
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, port))
        yield port


@contextlib.contextmanager
def metrics_directory() -> Iterator[str]:
    """A directory for the numbers of this run."""
    with tempfile.TemporaryDirectory(prefix="scoreboard-metrics-") as directory:
        yield directory


@contextlib.contextmanager
def lifeline(number: int) -> Iterator[Callable[[str], None]]:
    """The worker's end of the socket, given by the number of its file. Yields what to call once it
    listens: from then on the loop that is running watches for the supervisor's end.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # meant for the supervisor, sent to the group
    with socket.socket(fileno=number) as line:
        line.setblocking(False)

        def end_with_supervisor() -> None:
            asyncio.get_running_loop().remove_reader(line)
            os.kill(os.getpid(), signal.SIGTERM)

        def listening(_: str) -> None:
            with contextlib.suppress(OSError):  # it is gone already; the reader will say so
                line.send(b"+")
            asyncio.get_running_loop().add_reader(line, end_with_supervisor)

        yield listening


def _forget_gauges(directory: str, pid: int) -> None:
    """Take a dead worker's gauges out of the sums; its counters stay in them."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid, directory)  # type: ignore[no-untyped-call]
