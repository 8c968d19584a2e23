"""Lends sessions: open ones go first, and whoever asks first is served first.

When a connection could not be made, nobody tries again for a moment. Callers that wait get sessions
that are open; where none is, they hear of it at once, because each would wait out the same silence.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from scoreboard.connections.server import Failure, NotConnected
from scoreboard.connections.session import Session
from scoreboard.errors import LedgerUnavailable

REST_SECONDS: Final = 0.5


class Lending:
    """Lends sessions, each to one caller at a time: those that nobody uses are `free`, and callers
    wait in `line`. `on_wait` is told how long each one waited, `on_failure` why one got none.
    """

    def __init__(
        self,
        sessions: Iterable[Session],
        on_wait: Callable[[float], None],
        on_failure: Callable[[Failure], None],
        rest_seconds: float,
    ) -> None:
        self.sessions = list(sessions)
        self.free = self.sessions.copy()
        # Not asyncio.Queue: its `get` passes by whoever waits in it already, so that one task that
        # asks again and again would keep all others out until their deadlines.
        self.line: OrderedDict[asyncio.Future[Session], None] = OrderedDict()
        self._resting: asyncio.TimerHandle | None = None
        self._on_wait = on_wait
        self._on_failure = on_failure
        self._rest_seconds = rest_seconds

    @property
    def has_open(self) -> bool:
        """Whether a session is open, be it lent or not."""
        return any(session.is_open for session in self.sessions)

    async def take(self, until: float) -> Session:
        """Lend a session, which has to be given back; wait for one until this time of the loop's
        clock. Raises LedgerUnavailable when there was none, and NotConnected when no connection
        could be made a moment ago and none is open.
        """
        session = self._pick() if not self.line else None
        if session is not None:
            self._on_wait(0.0)
            return session
        if self._is_hopeless():
            self._on_failure("resting")
            raise NotConnected
        started = time.perf_counter()
        try:
            return await self._in_line(until)
        except TimeoutError as error:
            self._on_failure("no_session")
            raise LedgerUnavailable from error
        finally:
            self._on_wait(time.perf_counter() - started)

    def give_back(self, session: Session) -> None:
        """Let the next one have it."""
        self.free.append(session)
        self._serve()

    def rest(self) -> None:
        """No connection could be made: try none for a moment."""
        self.rouse()
        # guard: nobody-tries-again
        self._resting = asyncio.get_running_loop().call_later(self._rest_seconds, self._go_on)

    def rouse(self) -> None:
        """Rest no longer."""
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None

    async def _in_line(self, until: float) -> Session:
        place: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self.line[place] = None
        try:
            async with asyncio.timeout_at(until):
                return await place
        except (TimeoutError, asyncio.CancelledError):
            # It may have been served in the very turn in which it left.
            if place.done() and not place.cancelled() and place.exception() is None:
                self.give_back(place.result())  # guard: session-lent-left
            raise
        finally:
            self.line.pop(place, None)

    def _go_on(self) -> None:
        self._resting = None
        self._serve()

    def _serve(self) -> None:
        """Serve those who wait, as far as there are sessions."""
        while self.line:
            place = next(iter(self.line))  # guard: sessions-lent-order
            if not place.done():
                if self._is_hopeless():  # guard: waits-session-hears
                    self._on_failure("resting")
                    place.set_exception(NotConnected())
                elif (session := self._pick()) is not None:
                    place.set_result(session)
                else:
                    return
            del self.line[place]

    def _pick(self) -> Session | None:
        """A free session: one that is open, else one that may be opened now."""
        for number, session in enumerate(self.free):
            if session.is_open:
                return self.free.pop(number)
        return self.free.pop() if self.free and self._resting is None else None

    def _is_hopeless(self) -> bool:
        return self._resting is not None and not self.has_open  # guard: sessions-open-go
