"""What is followed live, for asyncio: a board, and what concerns a user."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from .feed import Feed, State, Timing
from .following import Follower, GetToken
from .mailbox import Mailbox
from .places import Granted, Overtaken, Place
from .shown import MAIN, Board, SeasonEnded, SeasonStarted
from .sources import BoardSource, PersonalSource, Source

BoardEvent = Board | SeasonEnded | SeasonStarted | State
PersonalEvent = Place | Overtaken | Granted | State

Told = TypeVar("Told")

# Each poll of places is one for this user alone, and no cache answers it.
PERSONAL_TIMING = Timing(poll_seconds=15.0)


class Live:
    """What both have: it follows from `async with` on until that ends, or until `close`."""

    def __init__(
        self,
        address: str,
        timing: Timing,
        get_token: GetToken | None,
        http: httpx.AsyncClient | None,
    ) -> None:
        self._address = address.rstrip("/")
        self._timing = timing
        self._get_token = get_token
        self._is_own = http is None
        self._http = http or httpx.AsyncClient(timeout=timing.request_seconds)
        self._feed = Feed(timing, self._tell)
        self._mailboxes: weakref.WeakSet[Mailbox[Any]] = weakref.WeakSet()
        self._follower: Follower | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """How the connection is."""
        return self._feed.state

    @property
    def age_seconds(self) -> float | None:
        """For how long nobody has confirmed what is shown; None if nobody ever has."""
        return self._feed.age_seconds

    def refresh(self) -> None:
        """Ask now, as after a log-in. What the service asked to wait for still waits."""
        if self._follower is not None:
            self._follower.wake()

    async def close(self) -> None:
        """Close every connection of its own; those who iterate come to their end."""
        task, self._task, self._follower = self._task, None, None
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        finally:  # also for who is cancelled as it closes
            self._feed.stop()
            self._end_iterations(None)
            if self._is_own:
                await self._http.aclose()

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise RuntimeError("it is followed already")
        self._follower = Follower(
            self._http, self._address, self._source, self._feed, self._timing, self._get_token
        )
        self._feed.start()
        self._task = asyncio.create_task(self._follower.run())
        self._task.add_done_callback(self._done)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def _source(self) -> Source:
        raise NotImplementedError

    def _known(self) -> Sequence[object]:
        """What somebody is told first who begins to iterate now."""
        raise NotImplementedError

    def _mailbox(self, *kinds: type[Told]) -> Mailbox[Told]:
        if self._task is None:
            raise RuntimeError("nothing is followed yet: enter it by `with` first")
        made = Mailbox(kinds)
        for told in self._known():
            made.put(told)
        self._mailboxes.add(made)
        return made

    def _tell(self, told: object) -> None:
        for mailbox in self._mailboxes:
            mailbox.put(told)

    def _done(self, task: asyncio.Task[None]) -> None:
        """It ends by being cancelled alone: anything else is a defect, which who iterates hears."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if error is not None:
            self._end_iterations(error)

    def _end_iterations(self, error: BaseException | None) -> None:
        for mailbox in self._mailboxes:
            mailbox.close(error)


class AsyncLiveBoard(Live):
    """A board as it is now, whatever becomes of the connection, and its seasons.

    It follows the board's stream; while that does not work it polls, and tries the stream again. A
    board carries a version, and an older one is ignored. Iterate over it for boards, or over
    `events()` for boards, seasons and states; who is slow gets the newest of each, and no queue.

    `get_token(rejected)` answers an access token where boards need one, and another one than the
    service has `rejected`. `http` is a client of httpx to send by: who brings it closes it, and its
    pool has room for a stream beside all else.
    """

    def __init__(
        self,
        address: str,
        board: str = MAIN,
        *,
        get_token: GetToken | None = None,
        timing: Timing | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(address, timing or Timing(), get_token, http)
        self._board_source = BoardSource(board, self._tell)

    @property
    def board(self) -> Board | None:
        """The newest board; None before the first."""
        return self._board_source.board

    @property
    def ended(self) -> SeasonEnded | None:
        """The last season that was seen to end."""
        return self._board_source.ended

    def __aiter__(self) -> AsyncIterator[Board]:
        return self._mailbox(Board)

    def events(self) -> AsyncIterator[BoardEvent]:
        """Boards, seasons that ended and began, and states."""
        return self._mailbox(*_BOARD_EVENTS)

    @property
    def _source(self) -> Source:
        return self._board_source

    def _known(self) -> Sequence[object]:
        return [self.state] if self.board is None else [self.state, self.board]


class AsyncPersonalStream(Live):
    """What concerns a user, live: their places on up to 20 boards, who overtook them, and what they
    were granted. It follows the personal stream; while that does not work it polls the places, and
    then nobody tells of the rest. `get_token` answers tokens of that user. Else as AsyncLiveBoard.
    """

    def __init__(
        self,
        address: str,
        boards: Sequence[str] = (MAIN,),
        *,
        get_token: GetToken,
        timing: Timing = PERSONAL_TIMING,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(address, timing, get_token, http)
        self._personal_source = PersonalSource(boards, self._tell)

    def place(self, board: str = MAIN) -> Place | None:
        """The newest place on that board; None before the first."""
        return self._personal_source.places.get(board)

    def __aiter__(self) -> AsyncIterator[PersonalEvent]:
        return self._mailbox(*_PERSONAL_EVENTS)

    @property
    def _source(self) -> Source:
        return self._personal_source

    def _known(self) -> Sequence[object]:
        return [self.state, *self._personal_source.places.values()]


_BOARD_EVENTS: tuple[type[BoardEvent], ...] = (Board, SeasonEnded, SeasonStarted, State)
_PERSONAL_EVENTS: tuple[type[PersonalEvent], ...] = (Place, Overtaken, Granted, State)
