"""Subscribers by the thousand: one process, one loop over an epoll, sockets and nothing else.

    python -m tests.benchmarks.listeners COUNT BOARDS PORT [PORT …]

Connects all at once, spread over the ports and over the boards (commas between them; `-` is `main`
by its own route). Writes a line of JSON when every one of them holds its first board, and one for
each line that it then reads: `count` answers how many boards have come,
`trace` starts keeping who got which top score when, `times` answers that, an end of input ends it.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Final

_REQUEST: Final = (
    b"GET /api/boards/%b/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
)
# The route that every compared program has.
_REQUEST_OF_MAIN: Final = _REQUEST.replace(b"boards/%b", b"leaderboard")
_BOARD: Final = b'"topUsers":'
_TOP_SCORE: Final = re.compile(rb'"topUsers":\[[^\]]*?"score":(\d+)')
_CONNECT_SECONDS: Final = 60.0


@dataclass
class Listener:
    """One connection."""

    socket: socket.socket
    request: bytes
    asked: bool = False
    boards: int = 0
    rest: bytes = b""
    # (top score, when), from the moment on that a trace was asked for
    seen: list[tuple[int, float]] = field(default_factory=list)


class Crowd:
    """All connections of this process."""

    def __init__(self, count: int, boards: list[str], ports: list[int]) -> None:
        self.began = time.monotonic()
        self.errors = 0
        self.boards = 0
        self.traced = False
        self._now = self.began
        self._epoll = select.epoll()
        self._listeners: dict[int, Listener] = {}
        for number in range(count):
            self._connect(ports[number % len(ports)], boards[number % len(boards)])
        self._without_board = count

    def _connect(self, port: int, board: str) -> None:
        request = _REQUEST_OF_MAIN if board == "-" else _REQUEST % board.encode()
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", port))
        self._listeners[connection.fileno()] = Listener(connection, request)
        self._epoll.register(connection.fileno(), select.EPOLLOUT)

    def gather(self) -> None:
        """Return when everybody holds a board or has failed, or after a minute."""
        while self._without_board > 0 and time.monotonic() < self.began + _CONNECT_SECONDS:
            self.turn(0.1)
        self.errors += max(0, self._without_board)

    def turn(self, seconds: float, stop: int = -1) -> bool:
        """Read what there is; False when `stop`, another file, can be read."""
        go_on = True
        ready = self._epoll.poll(seconds)
        # Bytes count from when the kernel has them, not from when this process gets round to them.
        self._now = time.monotonic()
        for number, events in ready:
            if number == stop:
                go_on = False
            elif (listener := self._listeners.get(number)) is not None:
                self._serve(listener, events)
        return go_on

    def watch(self, number: int) -> None:
        """Let `turn` look at another file too."""
        self._epoll.register(number, select.EPOLLIN)

    def _serve(self, listener: Listener, events: int) -> None:
        try:
            if not listener.asked and events & select.EPOLLOUT:
                listener.socket.sendall(listener.request)
                listener.asked = True
                self._epoll.modify(listener.socket.fileno(), select.EPOLLIN)
            elif events:
                self._read(listener)
        except OSError:
            self._lose(listener)

    def _read(self, listener: Listener) -> None:
        data = listener.socket.recv(65536)
        if not data:
            self._lose(listener)
            return
        data = listener.rest + data
        # An event ends with an empty line; what is not complete waits for the rest.
        complete = data.rfind(b"\n\n") + 1
        listener.rest = data[complete:] if complete < len(data) - 4 else b""
        boards = data.count(_BOARD, 0, complete)
        if boards and not listener.boards:
            self._without_board -= 1
        listener.boards += boards
        self.boards += boards
        if self.traced and boards:
            scores = _TOP_SCORE.findall(data[:complete])
            listener.seen += [(int(score), self._now) for score in scores]

    def _lose(self, listener: Listener) -> None:
        self.errors += 1
        if not listener.boards:
            self._without_board -= 1
        number = listener.socket.fileno()
        self._epoll.unregister(number)
        del self._listeners[number]
        listener.socket.close()

    def times(self) -> list[list[tuple[int, float]]]:
        """What everybody saw since the trace began."""
        return [listener.seen for listener in self._listeners.values()]


def main() -> None:
    """Serve the lines of standard input."""
    count, boards, *ports = sys.argv[1:]
    crowd = Crowd(int(count), boards.split(","), list(map(int, ports)))
    crowd.gather()
    _answer({"seconds": time.monotonic() - crowd.began, "errors": crowd.errors})
    crowd.watch(sys.stdin.fileno())
    while True:
        if crowd.turn(1.0, sys.stdin.fileno()):
            continue
        command = sys.stdin.readline().strip()
        if command == "count":
            _answer({"boards": crowd.boards, "errors": crowd.errors})
        elif command == "trace":
            crowd.traced = True
            _answer({})
        elif command == "times":
            _answer(crowd.times())
        else:
            return


def _answer(document: object) -> None:
    sys.stdout.write(f"{json.dumps(document)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
