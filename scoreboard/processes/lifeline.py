"""What joins a worker to its supervisor: a socket, over which each says a few things.

A worker says that it is up (it can let clients in), then ready (it has a board to show as well),
and at the end leaving (it lets nobody in any more). The supervisor sends listening sockets: the
worker lets in the clients that come there, and no others. When the socket ends the supervisor is
gone, and the worker ends too, so that none outlives it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final, Literal

State = Literal["starting", "up", "ready", "leaving"]  # of a worker, in this order
STATES: Final[Mapping[bytes, State]] = {b"u": "up", b"r": "ready", b"l": "leaving"}
_ATTEND: Final = b"a"
# As many as Linux passes at once (SCM_MAX_FD); macOS takes no fewer.
SOCKETS_MAX: Final = 253

Attend = Callable[[Sequence[socket.socket]], None]


def hand_over(line: socket.socket, sockets: Sequence[socket.socket]) -> None:
    """Tell a worker which sockets to attend. Raises OSError: it may be gone, or not listen."""
    socket.send_fds(line, [_ATTEND], [one.fileno() for one in sockets])


@contextlib.contextmanager
def joined(number: int) -> Iterator[Lifeline]:
    """The worker's end, given by the number of its file."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # meant for the supervisor, sent to all of us
    with socket.socket(fileno=number) as line:
        line.setblocking(False)
        yield Lifeline(line)


class Lifeline:
    """The worker's end, as `app` uses it."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._is_up = False

    async def serve(self, attend: Attend, becomes_ready: Callable[[], Awaitable[None]]) -> None:
        """Say that we are up, and then ready; attend what we are told to, until cancelled."""
        asyncio.get_running_loop().add_reader(self._line, self._listen, attend)
        self._is_up = True
        self._say("up")
        await becomes_ready()
        self._say("ready")
        await asyncio.Event().wait()

    def leave(self) -> None:
        """Say that we let nobody in any more, and hear nothing from here on. A worker that never
        was up says nothing: it could not start.
        """
        asyncio.get_running_loop().remove_reader(self._line)
        if self._is_up:  # guard: worker-cannot-start
            self._say("leaving")

    def _say(self, state: State) -> None:
        with contextlib.suppress(OSError):  # it is gone, which is heard when reading
            self._line.send(state[:1].encode())

    def _listen(self, attend: Attend) -> None:
        try:
            word, numbers, _, _ = socket.recv_fds(self._line, len(_ATTEND), SOCKETS_MAX)
        except BlockingIOError:
            return
        except OSError:
            word, numbers = b"", []
        if word:
            attend([socket.socket(fileno=number) for number in numbers])
            return
        asyncio.get_running_loop().remove_reader(self._line)
        os.kill(os.getpid(), signal.SIGTERM)
