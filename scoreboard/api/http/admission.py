"""Bounds how many connections may be open: from one address, and in all.

Limits count requests. A connection that sends no request, or half of one, costs memory and a file
all the same. One too many is closed as soon as it is accepted, before a byte of it is read.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from typing import Final

from scoreboard.operations.counted import ConnectionRefusal

# Files that are no connections of clients: our own to the servers, the log, the listening socket.
FILES_KEPT: Final = 200
_CONNECTIONS_MIN: Final = 16
_KEPT_FOR_OTHERS: Final = 100  # of one address, or half of all if there are few files


class Admission:
    """Counts the connections of one process, under every network that a peer's address is in.

    `networks_of` names these, each with how many clients' connections it may hold; none for a
    proxy that is trusted, because whose connections it carries is not known yet.
    """

    def __init__(
        self,
        *,
        per_address: int,
        most: int,
        networks_of: Callable[[str], Sequence[tuple[str, int]]],
    ) -> None:
        self._per_address = per_address
        self._most_per_address = most - min(_KEPT_FOR_OTHERS, most // 2)
        self._most = most
        self._networks_of = networks_of
        self._open: dict[str, int] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many are open."""
        return self._count

    def enter(self, peer: str) -> ConnectionRefusal | None:
        """Count a connection; or return why it may not be open, and count nothing."""
        if self._count >= self._most:
            return "process"  # guard: process-holds-many
        networks = self._networks_of(peer)
        for key, share in networks:
            if self._open.get(key, 0) >= min(self._per_address * share, self._most_per_address):
                return "address"  # guard: address-holds-many
        for key, _ in networks:
            self._open[key] = self._open.get(key, 0) + 1
        self._count += 1
        return None

    def leave(self, peer: str) -> None:
        """Take off one that was counted."""
        self._count -= 1
        for key, _ in self._networks_of(peer):
            if (left := self._open[key] - 1) > 0:
                self._open[key] = left
            else:
                del self._open[key]


def connections_max(wanted: int) -> int:
    """As many as are wanted, or as there are files for. Without a file our own connections to the
    servers could not be made again, and all clients would suffer from one that opens too many.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(_CONNECTIONS_MIN, files - FILES_KEPT))
