"""Several processes on one port (`scoreboard serve --workers N`), and the supervisor that keeps
them.

Each worker is a whole instance: it has its own name (`<instance>-<n>`), its own queue on the
exchange and its own connections. The supervisor serves nothing. It keeps a seat for each worker:
sockets that listen on the shared port. The kernel spreads new connections among the seats. The
sockets outlive the workers, so no client is refused or reset because a worker came or went
(docs/decisions/0030).

On SIGHUP the supervisor replaces all workers one after the other, so that new code and settings
come in without a gap. A worker ends when its successor is ready, in the sense of /readyz.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
from prometheus_client import multiprocess

from scoreboard.console.reports import CommandFailed
from scoreboard.console.terminal import HANG_UP_SECONDS, has_terminal
from scoreboard.operations.endings import ending_signals
from scoreboard.processes.crew import Crew, Seat
from scoreboard.processes.patience import Clock, Patience, Pauses, Renewal
from scoreboard.processes.worker import Worker

log = structlog.get_logger("scoreboard.workers")

# Where prometheus_client keeps the numbers of several processes.
_METRICS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
_NAME: Final = "SCOREBOARD_INSTANCE"
_LOOK_SECONDS: Final = 0.5


class Supervisor:
    """Keeps a process of `command` running for each seat until it is asked to end.

    `command` gets the number of the lifeline's file appended; `environment` goes over ours, and the
    worker's name and the directory of its metrics over both. `end_seconds` is the time that the
    settings give a worker to end. One task decides and starts (`run`), so no two of its decisions
    meet; all else only notes what has happened and wakes it.
    """

    def __init__(
        self,
        seats: Sequence[Seat],
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        instance: str,
        metrics_directory: str,
        end_seconds: float,
        patience: Patience | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.crew = Crew(seats)
        self._command = command
        self._metrics_directory = metrics_directory
        self._environment = {**environment, _METRICS_DIRECTORY: metrics_directory}
        self._instance = instance
        self._patience = patience or Patience()
        self._end_seconds = end_seconds + self._patience.grace_seconds
        self._clock = clock
        self._watchers: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._stopping = False
        self._pauses = Pauses(self._patience, clock)
        self._generation = 0
        self.renewal: Renewal | None = None  # the one that is under way

    def stop(self) -> None:
        """End the workers, and then `run`."""
        self._stopping = True
        self._changed.set()

    def renew(self) -> None:
        """Replace every worker, one after the other."""
        self._generation += 1
        self.renewal = Renewal(self._patience, self._clock)
        self._pauses.forgive()  # guard: renewal-ends-pause
        self._changed.set()

    async def run(self, on_listening: Callable[[], None]) -> None:
        """Start, keep and end the workers. Raises CommandFailed when they cannot start."""
        self._listen_for_signals()
        try:
            await self._begin()
            if not self._stopping:
                log.info("scoreboard.workers.listening", workers=len(self.crew.seats))
                on_listening()
            while not self._stopping:
                self._changed.clear()
                await self._settle()
                await self._pause()
        finally:
            await self._end_all()

    # What is to happen

    async def _begin(self) -> None:
        for seat in range(len(self.crew.seats)):
            await self._start(seat)
        deadline = self._clock() + self._patience.start_seconds
        while not self._stopping:
            if len(self.crew.workers) < len(self.crew.seats):
                raise CommandFailed("A worker could not start; its own message says why.")
            if self._clock() > deadline:
                seconds = self._patience.start_seconds
                raise CommandFailed(f"A worker did not start within {seconds:g} s.")
            self._changed.clear()
            self.crew.hand_out()
            if all(worker.state != "starting" for worker in self.crew.workers):
                return
            await self._pause()

    async def _settle(self) -> None:
        """Bring about what should be, as far as it can be now."""
        for worker in self.crew.workers:
            if self._clock() > worker.killed_at:
                worker.killed_at = float("inf")
                log.error("scoreboard.workers.killed", worker=worker.number)
                worker.kill()
        for seat in range(len(self.crew.seats)):
            if self._may_start and not self.crew.holders(seat):  # guard: worker-renewal-started
                await self._start(seat)
        if self.renewal is not None:
            await self._continue(self.renewal)
        self.crew.hand_out()

    async def _continue(self, renewal: Renewal) -> None:
        """Take the next step of a renewal: one worker after the other leaves for its successor."""
        staying = self.crew.staying
        older = [worker for worker in staying if worker.generation < self._generation]
        if not older:
            if all(worker.state == "ready" for worker in staying):
                self.renewal = None
                log.info("scoreboard.workers.renewed", workers=len(staying))
            return
        self._end_outdated(older)  # guard: renewal-not-wait
        if any(worker.retiring for worker in self.crew.workers):
            return  # one at a time: each takes memory and connections
        for worker in older:
            # guard: worker-ends-when
            if any(each.state == "ready" for each in self.crew.successors(worker)):
                self.renewal = Renewal(self._patience, self._clock)
                worker.retiring = True
                self.crew.hand_out()  # to its successor
                worker.killed_at = self._clock() + self._end_seconds
                worker.terminate()
                return
        if renewal.is_over:
            self._give_up(older)
        elif self._may_start and len(staying) == len(self.crew.seats):
            renewal.begin_attempt()
            await self._start(older[0].seat)

    def _end_outdated(self, older: Sequence[Worker]) -> None:
        """End successors that another renewal has made older before they became ready: what kept
        them from it may be what was mended since.
        """
        for worker in older:
            if worker.state != "ready" and self.crew.holders(worker.seat)[0] is not worker:
                worker.kill()

    def _give_up(self, older: Sequence[Worker]) -> None:
        """End the renewal; the older workers go on."""
        self.renewal = None
        log.error("scoreboard.workers.renewal_failed", kept=[each.number for each in older])
        for worker in older:
            for each in self.crew.successors(worker):
                each.kill()

    @property
    def _may_start(self) -> bool:
        return not self._stopping and self._pauses.are_over

    async def _start(self, seat: int) -> None:
        number = self.crew.free_number()
        environment = {**self._environment, _NAME: f"{self._instance}-{number}"}
        try:
            worker = await Worker.start(number, seat, self._generation, self._command, environment)
        except OSError as error:
            log.error("scoreboard.workers.not_started", error=str(error))
            self._pauses.note_failure()
            return
        self.crew.workers.append(worker)
        log.info("scoreboard.workers.started", worker=number, pid=worker.process.pid)
        asyncio.get_running_loop().add_reader(worker.line, self._hear, worker)
        watcher = asyncio.create_task(self._watch(worker))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    # What happens

    def _listen_for_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in ending_signals():
            loop.add_signal_handler(number, self.stop)
        if signal.SIGHUP in ending_signals():
            had_terminal = has_terminal()
            loop.add_signal_handler(
                signal.SIGHUP, loop.call_later, HANG_UP_SECONDS, self._hung_up, had_terminal
            )

    def _hung_up(self, had_terminal: bool) -> None:
        """Tell the end of our terminal, which ends us, from somebody who wants a renewal."""
        if had_terminal and not has_terminal():  # guard: end-terminal-ends
            self.stop()
        else:
            self.renew()

    def _hear(self, worker: Worker) -> None:
        if not worker.hear():
            asyncio.get_running_loop().remove_reader(worker.line)
        self._changed.set()

    async def _watch(self, worker: Worker) -> None:
        """Wait for its end, and note it."""
        code = await worker.process.wait()
        asyncio.get_running_loop().remove_reader(worker.line)
        worker.line.close()
        self.crew.workers.remove(worker)  # guard: gauges-cannot-forgotten
        self._changed.set()
        if not worker.retiring and not self._stopping:
            self._note_death(worker, code)
        try:  # its gauges leave the sums, its counters stay in them
            multiprocess.mark_process_dead(worker.process.pid, self._metrics_directory)  # type: ignore[no-untyped-call]
        except OSError as error:
            log.warning("scoreboard.workers.gauges_kept", worker=worker.number, error=str(error))

    def _note_death(self, worker: Worker, code: int) -> None:
        lived = time.monotonic() - worker.started
        log.error("scoreboard.workers.died", worker=worker.number, code=code, seconds=round(lived))
        self._pauses.note_death(lived)
        was_ready = worker.state in ("ready", "leaving")
        if self.renewal is not None and not was_ready and worker.generation == self._generation:
            self.renewal.note_death()

    async def _pause(self) -> None:
        """Wait until something happens or is due; a look now and then costs nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._changed.wait()

    async def _end_all(self) -> None:
        self._stopping = True
        self.crew.close_seats()
        for worker in self.crew.workers:
            worker.terminate()
        if self._watchers:
            _, late = await asyncio.wait(self._watchers, timeout=self._end_seconds)
            for worker in self.crew.workers if late else ():
                log.error("scoreboard.workers.killed", worker=worker.number)
                worker.kill()
            await asyncio.gather(*self._watchers)
