"""Loopback ports that stay ours, also while their server is down."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import TextIO

# Below the ports that systems hand out to outgoing connections (Linux from 32768, macOS 49152). In
# that range, a client that retries a dead server's port can be given that very port as its own and
# connect to itself; the server could then not come back.
_RANGE = range(20_000, 32_000)


class ReservedPort:
    """A free port with a lock that keeps other test runs on this machine away from it."""

    def __init__(self) -> None:
        self.number, self._lock = _reserve()

    def release(self) -> None:
        """Let others have the port."""
        self._lock.close()


def _reserve() -> tuple[int, TextIO]:
    directory = Path(tempfile.gettempdir()) / f"scoreboard-test-ports-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    for number in random.sample(_RANGE, k=500):
        lock = (directory / str(number)).open("w")
        if _locked(lock) and _free(number):
            return number, lock
        lock.close()
    raise OSError(f"no free port between {_RANGE.start} and {_RANGE.stop}")


def _locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _free(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True
