"""How many connections may be open: of an address, and in all.

Limits count requests; a connection that sends none, or half a one, costs memory and a file all the
same. What is too much is closed as soon as it is accepted, before a byte of it is read.
"""

from __future__ import annotations

import resource
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Literal

# Files that are no connections of clients: our own to the servers, the log, the listening socket.
FILES_KEPT: Final = 200
_LEAST: Final = 16
_FOR_OTHERS: Final = 100
# Thousands of connections of one flood may wait in the kernel's queue, each with work in it.
SHUN_SECONDS: Final = 5.0
_SHUNNED_MAX: Final = 10_000  # past that, the one that was shunned first may come again

Refusal = Literal["address", "process", "shunned"]


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_address = per_address
        # So that nobody alone keeps all others out, however few files there are.
        self._most_of_one = most - min(_FOR_OTHERS, most // 2)
        self._most = most
        self._networks_of = networks_of
        self._clock = clock
        self._open: dict[str, int] = {}
        self._shunned: OrderedDict[str, float] = OrderedDict()  # until when
        self._count = 0

    def __len__(self) -> int:
        """How many are open."""
        return self._count

    def enter(self, peer: str) -> Refusal | None:
        """Count a connection; or say why it may not be, and count nothing."""
        if self._count >= self._most:
            return "process"
        networks = self._networks_of(peer)
        if self._shunned and networks and self._is_shunned(networks[0][0]):
            return "shunned"
        for key, share in networks:
            if self._open.get(key, 0) >= min(self._per_address * share, self._most_of_one):
                return "address"
        for key, _ in networks:
            self._open[key] = self._open.get(key, 0) + 1
        self._count += 1
        return None

    def shun(self, peer: str) -> None:
        """Let nobody in from this address, or its IPv6 /64, for SHUN_SECONDS: what no client sends
        but to do harm came from there. A trusted proxy is never shunned.
        """
        for key, _ in self._networks_of(peer)[:1]:
            self._shunned[key] = self._clock() + SHUN_SECONDS
            self._shunned.move_to_end(key)
            if len(self._shunned) > _SHUNNED_MAX:
                self._shunned.popitem(last=False)

    def _is_shunned(self, key: str) -> bool:
        until = self._shunned.get(key)
        if until is None or until > self._clock():
            return until is not None
        del self._shunned[key]
        return False

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
