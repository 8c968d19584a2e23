"""Bounds what the kernel holds of a connection, and for how long.

A connection has most of it from the socket that accepted it, so it costs a client that comes
nothing: Linux and the BSDs hand these options down.
"""

from __future__ import annotations

import errno
import socket
from typing import Final

# The kernel doubles what it may hold, for its own accounts. Of what we do not read yet: a head and
# a body. Left to itself it takes 6 MB, and hands 256 KB of it over at once.
_RECEIVED_BYTES: Final = 32 * 1024
# Of what the client does not take: else a whole file goes there in one turn of the loop.
_SENT_BYTES: Final = 64 * 1024
# The same of a stream: some sixty boards. Left to itself it takes 3 to 4 MB, four minutes of
# boards: as much memory for each stalled client, and as old a board for each slow one.
_STREAM_BYTES: Final = 32 * 1024
# How long a client may take nothing of an answer that waits for it; the kernel counts. (Streams
# have a shorter time of their own, and are counted when it is over.)
UNREAD_SECONDS: Final = 30.0
USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux


def hand_down(listening: socket.socket) -> None:
    """Bound the connections that a socket will accept: of clients who come from now on."""
    # A client that has vanished is asked, in time, whether it is there.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED_BYTES)
    # guard: kernel-takes-little
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_BYTES)
    _give_up_after(listening, UNREAD_SECONDS)  # guard: unread-answer-time


def bound_stream(connection: socket.socket, *, vanished_after_seconds: float) -> None:
    """Bound what the kernel holds of a stream, and for how long nobody may acknowledge it: that
    finds a client that vanished without a word while too little was sent for the crowd to notice.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _STREAM_BYTES)
    _give_up_after(connection, vanished_after_seconds)


def _give_up_after(one: socket.socket, seconds: float) -> None:
    if USER_TIMEOUT is None:
        return
    try:
        one.setsockopt(socket.IPPROTO_TCP, USER_TIMEOUT, int(seconds * 1000))
    except OSError as error:  # to ask for its family first takes three times as long
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOPROTOOPT):  # a Unix socket knows no TCP
            raise
