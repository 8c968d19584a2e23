"""How many connections may be open: of an address, and in all.

Limits count requests; a connection that sends none, or half a one, costs memory and a file all the
same. What is too much is closed as soon as it is accepted, before a byte of it is read.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from typing import Final

from scoreboard.operations.counted import ConnectionRefusal

# Files that are no connections of clients: our own to the servers, the log, the listening socket.
FILES_KEPT: Final = 200
_LEAST: Final = 16
_FOR_OTHERS: Final = 100


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
        # So that nobody alone keeps all others out, however few files there are.
        self._most_of_one = most - min(_FOR_OTHERS, most // 2)
        self._most = most
        self._networks_of = networks_of
        self._open: dict[str, int] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many are open."""
        return self._count

    def enter(self, peer: str) -> ConnectionRefusal | None:
        """Count a connection; or say why it may not be, and count nothing."""
        if self._count >= self._most:
            return "process"  # guard: process-holds-many
        networks = self._networks_of(peer)
        for key, share in networks:
            if self._open.get(key, 0) >= min(self._per_address * share, self._most_of_one):
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
    """As many as are wanted, or as there are files for. Without a file our own connections could
    not be made anew, and every client would suffer for one that opens too many.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(_LEAST, files - FILES_KEPT))
