"""Several processes on one port (`scoreboard serve --workers N`), and who looks after them.

Each worker is a whole instance: it has its own name (`<instance>-<n>`), its own queue on the
exchange and its own connections. The supervisor serves nothing. It keeps a seat for each worker:
sockets that listen on the shared port (SO_REUSEPORT; the kernel spreads new connections among the
seats) and that it hands to whoever is to let in who comes by them. The sockets outlive the workers,
so nobody who connects is refused or reset because a worker came or went. (docs/decisions/0030)

It starts a worker again that has died. On SIGHUP it replaces all of them one after the other, so
that new code and settings come in without a gap: a worker ends when its successor is ready, in the
sense of /readyz, and a successor that does not become so is given up. SIGTERM ends all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final

import structlog

from scoreboard.api.http.listening import bound_sockets, listen
from scoreboard.console.failure import CommandFailed
from scoreboard.console.terminal import HANG_UP_SECONDS, has_terminal
from scoreboard.operations.endings import ending_signals
from scoreboard.processes.worker import Worker

log = structlog.get_logger("scoreboard.workers")

# Where prometheus_client keeps the numbers of several processes.
METRICS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"

_NAME: Final = "SCOREBOARD_INSTANCE"

# From the start of the first worker that is to succeed another one until one of them is ready.
_READY_SECONDS: Final = 45.0
_ATTEMPTS: Final = 3
_START_SECONDS: Final = 60.0
_GRACE_SECONDS: Final = 10.0  # past what the settings allow: parts close one after the other
_HEALTHY_SECONDS: Final = 10.0  # one that lived this long did not die of its start
_BACKOFF_FIRST_SECONDS: Final = 0.5
_BACKOFF_LAST_SECONDS: Final = 30.0
_DOUBLED_MAX: Final = 10  # times; a power of two without end is no number of seconds

Seat = list[socket.socket]


class Supervisor:
    """Keeps a process of `command` running for each seat until it is asked to end.

    `command` gets the number of the lifeline's file appended; `environment` goes over ours, and the
    worker's name over both. One task decides and starts (`run`), so no two of its decisions meet;
    all else only notes what has happened and wakes it.
    """

    def __init__(
        self,
        seats: Sequence[Seat],
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        instance: str,
        end_seconds: float,
    ) -> None:
        self._seats = seats
        self._command = command
        self._environment = environment
        self._instance = instance
        self._end_seconds = end_seconds + _GRACE_SECONDS
        self._workers: list[Worker] = []
        self._watchers: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._stopping = False
        self._early_deaths = 0
        self._next_start = 0.0
        self._generation = 0
        self._renewal: _Renewal | None = None

    async def run(self, on_listening: Callable[[], None]) -> None:
        """Start, keep and end the workers. Raises CommandFailed when they cannot start."""
        self._heed_signals()
        try:
            await self._begin()
            if not self._stopping:
                log.info("scoreboard.workers.listening", workers=len(self._seats))
                on_listening()
            while not self._stopping:
                self._changed.clear()
                await self._settle()
                await self._pause()
        finally:
            await self._end_all()

    # What is to happen

    async def _begin(self) -> None:
        for seat in range(len(self._seats)):
            await self._start(seat)
        deadline = time.monotonic() + _START_SECONDS
        while not self._stopping:
            if len(self._workers) < len(self._seats):
                raise CommandFailed("A worker could not start; its own message says why.")
            if time.monotonic() > deadline:
                raise CommandFailed(f"A worker did not start within {_START_SECONDS:g} s.")
            self._changed.clear()
            self._hand_out()
            if all(each.state != "starting" for each in self._workers):
                return
            await self._pause()

    async def _settle(self) -> None:
        """Bring about what should be, as far as it can be now."""
        for worker in self._workers:
            if time.monotonic() > worker.killed_at:
                worker.killed_at = float("inf")
                log.error("scoreboard.workers.killed", worker=worker.number)
                worker.kill()
        for seat in range(len(self._seats)):
            if self._may_start and not self._holders(seat):
                await self._start(seat)
        await self._renew()
        self._hand_out()

    async def _renew(self) -> None:
        """Take the next step of a renewal: one worker after the other leaves for its successor."""
        if self._renewal is None:
            return
        older = [worker for worker in self._staying if worker.generation < self._generation]
        if not older:
            if all(worker.state == "ready" for worker in self._staying):
                self._renewal = None
                log.info("scoreboard.workers.renewed", workers=len(self._staying))
            return
        self._end_outdated(older)
        if any(worker.retiring for worker in self._workers):
            self._renewal.has_time_again()  # the time of one that leaves is not its successor's
            return  # one at a time: each takes memory and connections
        for worker in older:
            if any(each.state == "ready" for each in self._successors(worker)):
                self._renewal = _Renewal()
                self._retire(worker)
                return
        if self._renewal.is_over:
            self._give_up(older)
        elif self._may_start and len(self._staying) == len(self._seats):
            await self._start(older[0].seat)

    def _end_outdated(self, older: Sequence[Worker]) -> None:
        """End successors that another renewal has made older before they became ready: what kept
        them from it may be what was mended since.
        """
        for worker in older:
            if worker.state != "ready" and self._holders(worker.seat)[0] is not worker:
                worker.kill()

    def _give_up(self, older: Sequence[Worker]) -> None:
        """Leave the renewal where it is: the older ones go on."""
        self._renewal = None
        log.error("scoreboard.workers.renewal_failed", kept=[each.number for each in older])
        for worker in older:
            for each in self._successors(worker):
                each.kill()

    def _retire(self, worker: Worker) -> None:
        worker.retiring = True
        self._hand_out()  # to its successor
        worker.killed_at = time.monotonic() + self._end_seconds
        worker.terminate()

    def _hand_out(self) -> None:
        """Give each seat's sockets to who sits there and is ready, else to another one that is; if
        nobody is, to whoever is up. Until there is anybody, who connects waits.
        """
        able = [each for each in self._staying if each.state == "ready"]
        able = able or [each for each in self._staying if each.state == "up"]
        if not able:
            return
        shares: dict[Worker, list[int]] = {each: [] for each in able}
        for seat in range(len(self._seats)):
            sitting = [each for each in able if each.seat == seat]
            who = sitting[-1] if sitting else min(able, key=lambda each: len(shares[each]))
            shares[who].append(seat)
            for one in self._seats[seat]:
                listen(one)
        for worker in self._workers:
            seats = tuple(shares.get(worker, ()))
            worker.attend(seats, [one for seat in seats for one in self._seats[seat]])

    # Who is there

    @property
    def _staying(self) -> list[Worker]:
        """Those that do not leave, the eldest first."""
        return [each for each in self._workers if not each.retiring and each.state != "leaving"]

    def _holders(self, seat: int) -> list[Worker]:
        """Those of them who have this seat: one, or while it is renewed one and its successor."""
        return [each for each in self._staying if each.seat == seat]

    def _successors(self, worker: Worker) -> list[Worker]:
        """Who was started to take its place."""
        return [each for each in self._holders(worker.seat) if each.generation > worker.generation]

    @property
    def _may_start(self) -> bool:
        return not self._stopping and time.monotonic() >= self._next_start

    async def _start(self, seat: int) -> None:
        # The least free one, so that names stay few, and no two that live at once are the same.
        taken = {worker.number for worker in self._workers}
        number = next(n for n in count(1) if n not in taken)
        environment = {**self._environment, _NAME: f"{self._instance}-{number}"}
        try:
            worker = await Worker.start(number, seat, self._generation, self._command, environment)
        except OSError as error:  # no process to be had
            log.error("scoreboard.workers.not_started", error=str(error))
            self._next_start = time.monotonic() + _BACKOFF_FIRST_SECONDS
            return
        self._workers.append(worker)
        log.info("scoreboard.workers.started", worker=number, pid=worker.process.pid)
        asyncio.get_running_loop().add_reader(worker.line, self._hear, worker)
        watcher = asyncio.create_task(self._watch(worker))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    # What happens

    def _heed_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in ending_signals():
            loop.add_signal_handler(number, self._stop)
        if signal.SIGHUP in ending_signals():
            had_terminal = has_terminal()
            loop.add_signal_handler(
                signal.SIGHUP, loop.call_later, HANG_UP_SECONDS, self._hung_up, had_terminal
            )

    def _stop(self) -> None:
        self._stopping = True
        self._changed.set()

    def _hung_up(self, had_terminal: bool) -> None:
        """Tell the end of our terminal, which ends us, from somebody who wants a renewal."""
        if had_terminal and not has_terminal():
            self._stop()
            return
        self._generation += 1
        self._renewal = _Renewal()
        self._early_deaths, self._next_start = 0, 0.0  # what ended them may be mended
        self._changed.set()

    def _hear(self, worker: Worker) -> None:
        if not worker.hear():
            asyncio.get_running_loop().remove_reader(worker.line)
        self._changed.set()

    async def _watch(self, worker: Worker) -> None:
        """Wait for its end, and note it."""
        code = await worker.process.wait()
        asyncio.get_running_loop().remove_reader(worker.line)
        worker.line.close()
        self._workers.remove(worker)
        self._changed.set()
        if not worker.retiring and not self._stopping:
            self._note_death(worker, code)
        try:
            _forget_gauges(self._environment[METRICS_DIRECTORY], worker.process.pid)
        except OSError as error:
            log.warning("scoreboard.workers.gauges_kept", worker=worker.number, error=str(error))

    def _note_death(self, worker: Worker, code: int) -> None:
        lived = worker.age_seconds
        log.error("scoreboard.workers.died", worker=worker.number, code=code, seconds=round(lived))
        self._early_deaths = self._early_deaths + 1 if lived < _HEALTHY_SECONDS else 0
        if self._early_deaths:
            doubled = 2 ** min(self._early_deaths, _DOUBLED_MAX)
            pause = min(_BACKOFF_FIRST_SECONDS * doubled, _BACKOFF_LAST_SECONDS)
            self._next_start = time.monotonic() + pause
        was_ready = worker.state in ("ready", "leaving")
        if self._renewal is not None and not was_ready and worker.generation == self._generation:
            self._renewal.attempts_left -= 1

    async def _pause(self) -> None:
        """Until something happens or is due; a look now and then costs nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BACKOFF_FIRST_SECONDS):
                await self._changed.wait()

    async def _end_all(self) -> None:
        self._stopping = True
        for seat in self._seats:
            for one in seat:
                one.close()  # each worker lets in who waits, and is the last to have them
        workers = list(self._workers)
        for worker in workers:
            worker.terminate()
        if self._watchers:
            _, late = await asyncio.wait(self._watchers, timeout=self._end_seconds)
            for worker in self._workers if late else ():
                log.error("scoreboard.workers.killed", worker=worker.number)
                worker.kill()
            await asyncio.gather(*self._watchers)


class _Renewal:
    """The time and the attempts that are left for one worker to be succeeded."""

    def __init__(self) -> None:
        self.attempts_left = _ATTEMPTS
        self.has_time_again()

    def has_time_again(self) -> None:
        """Begin with the time anew."""
        self._deadline = time.monotonic() + _READY_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether the successor is to be given up."""
        return self.attempts_left <= 0 or time.monotonic() > self._deadline


@contextlib.contextmanager
def seats(host: str, port: int, number: int) -> Iterator[list[Seat]]:
    """Sockets on the one port for so many workers, bound and not listening; port 0 takes a free
    one. Raises OSError when another program has it, which SO_REUSEPORT alone would share with us
    without a word.
    """
    with contextlib.ExitStack() as stack:
        for one in bound_sockets(host, port):
            port = one.getsockname()[1]
            one.close()
        found = []
        for _ in range(number):
            found.append(bound_sockets(host, port, shares_port=True))
            for one in found[-1]:
                stack.enter_context(one)
        yield found


@contextlib.contextmanager
def metrics_directory() -> Iterator[str]:
    """A directory for the numbers of this run."""
    with tempfile.TemporaryDirectory(prefix="scoreboard-metrics-") as directory:
        yield directory


def _forget_gauges(directory: str, pid: int) -> None:
    """Take a dead worker's gauges out of the sums; its counters stay in them."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid, directory)  # type: ignore[no-untyped-call]
