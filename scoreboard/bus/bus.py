"""How a board gets from the instance that made it to all others, and what may not be expected.

A bus promises little, so that nobody has to wait for it: `publish` neither waits nor fails. In
return a board may come late, twice or not at all, and a newer one replaces an older one of its id
that still waits. Whoever hears of a board compares its version; the relay re-reads what got lost.
"""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from scoreboard.model import Board, BoardId, Origin


class Bus:
    """How a board gets to every instance. This one is of a single instance and carries nothing,
    because the hub has each board from `submit`. `bus.rabbit` is for several.
    """

    @property
    def connected(self) -> bool:
        """Whether boards get through, as far as is known."""
        return True

    def publish(self, board: Board, origin: Origin | None = None) -> None:
        """Send the board to all instances, now or when the bus is back. Never raises, never
        waits.
        """

    async def run(self) -> None:
        """Carry boards until cancelled."""

    async def flush(self) -> None:
        """Return when all that was published has left, or after a moment if it cannot."""


class Hears(Protocol):
    """What hears of the boards of other instances: the hub."""

    def known(self, board_id: BoardId) -> int | None:
        """The version of the newest board of this id that it has, -1 for none; a board that is not
        newer is no news to it. None if it does not follow that board.
        """

    def offer(self, board: Board, origin: Origin | None) -> None:
        """Take a board that came, if it is newer."""


def addresses(url: str) -> list[str]:
    """The brokers of one cluster, written with commas between them; none if one of them cannot be
    read. (A comma in a password is written %2C.)
    """
    each = [part.strip() for part in url.split(",")]
    return each if all(map(_is_address, each)) else []


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("amqp", "amqps") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, for example
        return False
