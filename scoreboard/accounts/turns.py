"""A bounded queue in which networks take turns, not callers.

Otherwise everybody else would come after the hundred requests that one network sends at once.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from scoreboard.errors import Overloaded, ShuttingDown

# The networks that a caller belongs to, from the widest to the narrowest: its path to its queue.
Path = Sequence[str]


class Turns:
    """Lets `at_once` callers go on, and `waiting_max` wait.

    Whose turn it is goes round the widest networks that have somebody waiting, then round the
    networks within, then by time of arrival. When too many wait, the newest caller of the network
    that has most waiting is refused; that may be the one who has just come.

    A caller that is let in calls `give_back` when it is done.
    """

    def __init__(
        self, at_once: int, waiting_max: int, on_overload: Callable[[], None] = lambda: None
    ) -> None:
        self._free = at_once
        self._waiting_max = waiting_max
        self._on_overload = on_overload
        self._queue = _Queue()
        self._numbers = itertools.count()
        self._closed = False

    async def take(self, path: Path) -> None:
        """Wait for a turn. Raises Overloaded; ShuttingDown after `close`."""
        if self._closed:
            raise ShuttingDown
        if self._free > 0:  # then nobody waits
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        caller = _Caller(next(self._numbers), path, turn)
        self._queue.add(caller)
        if self._queue.waiting > self._waiting_max:
            self._on_overload()
            self._refuse(self._queue.newest_of_most(), Overloaded())
        try:
            await turn
        except asyncio.CancelledError:
            if caller.waits:
                self._queue.remove(caller)
            elif not turn.cancelled() and turn.exception() is None:
                # guard: leaves-moment-turn
                self.give_back()  # its turn came in the moment in which it left
            raise

    def give_back(self) -> None:
        """Let the next caller in."""
        while self._queue.waiting:
            caller = self._queue.next()
            self._queue.remove(caller)
            if not caller.turn.done():  # else it leaves in this moment
                caller.turn.set_result(None)
                return
        self._free += 1

    def close(self) -> None:
        """Refuse all who wait, and all who come."""
        self._closed = True
        while self._queue.waiting:
            self._refuse(self._queue.next(), ShuttingDown())

    def _refuse(self, caller: _Caller, error: Exception) -> None:
        self._queue.remove(caller)
        if not caller.turn.done():
            caller.turn.set_exception(error)


@dataclass(slots=True, eq=False)
class _Caller:
    number: int  # in the order of arrival
    path: Path
    turn: asyncio.Future[None]
    waits: bool = False  # in a queue


@dataclass(slots=True)
class _Queue:
    """Those of one network who wait: in queues of the networks within it, or in their own order."""

    waiting: int = 0
    within: OrderedDict[str, _Queue] = field(default_factory=OrderedDict)  # in order of their turns
    callers: deque[_Caller] = field(default_factory=deque)

    def add(self, caller: _Caller) -> None:
        """Put a caller at the end of its queue."""
        queue = self
        queue.waiting += 1
        for network in caller.path:
            queue = queue.within.setdefault(network, _Queue())
            queue.waiting += 1
        queue.callers.append(caller)
        caller.waits = True

    def remove(self, caller: _Caller) -> None:
        """Take a caller out, and forget the networks in which nobody waits any more."""
        queue = self
        queue.waiting -= 1
        for network in caller.path:
            outer, queue = queue, queue.within[network]
            queue.waiting -= 1
            if not queue.waiting:
                del outer.within[network]
        queue.callers.remove(caller)
        caller.waits = False

    def next(self) -> _Caller:
        """Find whose turn it is. The next turn of its networks comes after all others'."""
        queue = self
        while queue.within:
            network = next(iter(queue.within))
            queue.within.move_to_end(network)
            queue = queue.within[network]
        return queue.callers[0]

    def newest_of_most(self) -> _Caller:
        """Find the newest caller of the network that has most waiting; where several have as many,
        of the one whose newest came last.
        """
        queue = self
        while queue.within:
            # guard: newest-greediest-refused
            queue = max(queue.within.values(), key=lambda one: (one.waiting, one.newest()))
        return queue.callers[-1]

    def newest(self) -> int:
        """The number of the newest caller."""
        if self.callers:
            return self.callers[-1].number
        return max(queue.newest() for queue in self.within.values())
