"""One process of several, as its supervisor sees it: started, spoken to, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from scoreboard.processes import lifeline

_WORDS_MAX: Final = 16


@dataclass(eq=False, slots=True)
class Worker:
    """A process that attends the listening sockets of some seats, mostly of its own.

    `generation` says after how many renewals it was started; one that is `retiring` was told to
    end, and nobody takes its place.
    """

    number: int
    seat: int
    generation: int
    process: asyncio.subprocess.Process
    line: socket.socket
    started: float = field(default_factory=time.monotonic)
    state: lifeline.State = "starting"
    retiring: bool = False
    killed_at: float = float("inf")
    attends: tuple[int, ...] = ()

    @classmethod
    async def start(
        cls,
        number: int,
        seat: int,
        generation: int,
        command: Sequence[str],
        environment: Mapping[str, str],
    ) -> Worker:
        """Start one. `command` gets the number of the lifeline's file appended. Raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            with theirs, _without_hang_ups():  # guard: worker-just-begun
                process = await asyncio.create_subprocess_exec(
                    *command,
                    str(theirs.fileno()),
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    # What a terminal sends to the whole group is for the supervisor.
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        ours.setblocking(False)
        return cls(number, seat, generation, process, ours)

    def hear(self) -> bool:
        """Read what it says of itself. Answers whether there may be more to hear."""
        try:
            said = self.line.recv(_WORDS_MAX)
        except BlockingIOError:
            return True
        except OSError:
            said = b""
        if said:
            self.state = lifeline.STATES.get(said[-1:], self.state)
        return bool(said)

    def attend(self, seats: tuple[int, ...], sockets: Sequence[socket.socket]) -> None:
        """Have it attend the sockets of these seats, and no others."""
        if seats != self.attends:
            with contextlib.suppress(OSError):
                lifeline.hand_over(self.line, sockets)
                self.attends = seats

    def terminate(self) -> None:
        """Ask it to end in order."""
        self.retiring = True
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self.retiring = True
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


@contextlib.contextmanager
def _without_hang_ups() -> Iterator[None]:
    """Block SIGHUP in each process that is started within, for good. It is meant for the
    supervisor, and sent to all of us: a process that has just begun has no handler yet.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
