"""The limit: a loop of non-blocking `send` and nothing else.

    python -m tests.benchmarks.bare_sender PORT

Answers every connection with one board. A line of standard input, `RATE SECONDS`, makes it send the
board to all of them so many times a second, for so long.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from contextlib import suppress

from tests.benchmarks.boards import event

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def main() -> None:
    """Accept and send until standard input ends."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", int(sys.argv[1])))
    server.listen(4096)
    server.setblocking(False)
    connections: list[socket.socket] = []
    frame = event().chunked
    while True:
        readable, _, _ = select.select([server, sys.stdin], [], [])
        if server in readable:
            _accept(server, connections, frame)
        if sys.stdin in readable:
            line = sys.stdin.readline()
            if not line:
                return
            _send(connections, frame, *map(float, line.split()))


def _accept(server: socket.socket, connections: list[socket.socket], frame: bytes) -> None:
    with suppress(BlockingIOError):
        while True:
            connection, _ = server.accept()
            connection.setblocking(False)
            connection.send(_HEAD + frame)
            connections.append(connection)


def _send(connections: list[socket.socket], frame: bytes, rate: float, seconds: float) -> None:
    end, due = time.monotonic() + seconds, time.monotonic()
    while time.monotonic() < end:
        for connection in connections:
            # One whose reader is behind has a board less; one that has left is nobody.
            with suppress(OSError):
                connection.send(frame)
        due += 1 / rate
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
