"""What joins a worker to its supervisor: a socket, over which each says a few things.

A worker says that it is UP (it can let clients in), then READY (it has a board to show as well),
and at the end LEAVING (it lets nobody in any more). The supervisor says ATTEND, with listening
sockets: let in who comes by these, and by no others. When the socket ends the supervisor is gone,
and the worker ends too, so that none outlives it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

UP: Final = b"u"
READY: Final = b"r"
LEAVING: Final = b"l"
_ATTEND: Final = b"a"
# As many as Linux passes at once (SCM_MAX_FD); macOS takes no fewer.
SOCKETS_MAX: Final = 253

Attend = Callable[[Sequence[socket.socket]], None]


def hand_over(line: socket.socket, sockets: Sequence[socket.socket]) -> bool:
    """Say which sockets to attend. Answers whether that was sent: a worker may be gone, or not
    listen to us.
    """
    try:
        socket.send_fds(line, [_ATTEND], [one.fileno() for one in sockets])
    except OSError:
        return False
    return True


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
        self._say(UP)
        await becomes_ready()
        self._say(READY)
        await asyncio.Event().wait()

    def leave(self) -> None:
        """Say that we let nobody in any more, and hear nothing from here on. One that never was up
        says nothing: it could not start.
        """
        asyncio.get_running_loop().remove_reader(self._line)
        if self._is_up:  # guard: worker-cannot-start
            self._say(LEAVING)

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(OSError):  # it is gone, which is heard when reading
            self._line.send(word)

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
