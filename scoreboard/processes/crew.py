"""The workers of a supervisor, their seats, and which worker lets in the clients of each seat."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from scoreboard.api.http.listening import bound_sockets, listen
from scoreboard.processes.worker import Worker

Seat = list[socket.socket]


@contextlib.contextmanager
def bound_seats(host: str, port: int, number: int) -> Iterator[list[Seat]]:
    """Bind sockets on one port for so many workers; they do not listen yet. Port 0 takes a free
    one. Raises OSError, also when another program has the port: SO_REUSEPORT alone would share it
    with that program without a word.
    """
    with contextlib.ExitStack() as stack:
        for one in bound_sockets(host, port):
            port = one.getsockname()[1]
            one.close()
        yield [
            [stack.enter_context(one) for one in bound_sockets(host, port, shares_port=True)]
            for _ in range(number)
        ]


@dataclass(frozen=True, slots=True)
class Crew:
    """The seats, each known by its index, and the workers, the eldest first."""

    seats: Sequence[Seat]
    workers: list[Worker] = field(default_factory=list)

    @property
    def staying(self) -> list[Worker]:
        """The workers that do not leave."""
        return [each for each in self.workers if not each.retiring and each.state != "leaving"]

    def holders(self, seat: int) -> list[Worker]:
        """The staying workers of a seat: one, or while it is renewed one and its successor."""
        return [each for each in self.staying if each.seat == seat]

    def successors(self, worker: Worker) -> list[Worker]:
        """The workers that were started to take its place."""
        return [each for each in self.holders(worker.seat) if each.generation > worker.generation]

    def free_number(self) -> int:
        """The least number that no worker has: names stay few, and no two are the same at once."""
        taken = {worker.number for worker in self.workers}
        return next(number for number in count(1) if number not in taken)

    def hand_out(self) -> None:
        """Give each seat's sockets to its holder if that is ready, else to another worker that is;
        if none is ready, to one that is up. Until there is one, clients wait.
        """
        able = [each for each in self.staying if each.state == "ready"]
        able = able or [each for each in self.staying if each.state == "up"]
        if not able:
            return
        shares: dict[Worker, list[int]] = {each: [] for each in able}
        for seat, sockets in enumerate(self.seats):
            sitting = [each for each in able if each.seat == seat]  # guard: seat-worker-died
            taker = sitting[-1] if sitting else min(able, key=lambda each: len(shares[each]))
            shares[taker].append(seat)
            for one in sockets:
                listen(one)
        for worker in self.workers:
            seats = tuple(shares.get(worker, ()))
            worker.attend(seats, [one for seat in seats for one in self.seats[seat]])

    def close_seats(self) -> None:
        """Close our copies of the sockets: each worker lets in those who wait, and is the last to
        have them.
        """
        for seat in self.seats:
            for one in seat:
                one.close()
