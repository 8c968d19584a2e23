"""The same, for programs without asyncio: a thread follows, with a loop of its own. So a stream is
read while the program does something else, and ends at once when it is left.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import httpx

from .feed import State, Timing
from .following import GetToken
from .live import (
    PERSONAL_TIMING,
    AsyncLiveBoard,
    AsyncPersonalStream,
    BoardEvent,
    Live,
    PersonalEvent,
)
from .places import Place
from .shown import MAIN, Board, SeasonEnded

Answer = TypeVar("Answer")
Told = TypeVar("Told")
Followed = TypeVar("Followed", bound=Live)
MakeHttp = Callable[[], httpx.AsyncClient]


class _Thread(Generic[Followed]):
    """A thread that runs a loop from `with` on until that ends."""

    def __init__(
        self, make: Callable[[httpx.AsyncClient | None], Followed], make_http: MakeHttp | None
    ) -> None:
        self._make = make
        self._make_http = make_http
        self._lock = threading.Lock()  # what is given to the loop is given before it is to stop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._http: httpx.AsyncClient | None = None
        self._live: Followed | None = None

    @property
    def state(self) -> State:
        """How the connection is."""
        return State("idle") if self._live is None else self._live.state

    @property
    def age_seconds(self) -> float | None:
        """For how long nobody has confirmed what is shown; None if nobody ever has."""
        return None if self._live is None else self._live.age_seconds

    def refresh(self) -> None:
        """Ask now, as after a log-in. What the service asked to wait for still waits."""
        with self._lock:
            if self._loop is not None and self._live is not None:
                self._loop.call_soon_threadsafe(self._live.refresh)

    def close(self) -> None:
        """Close every connection, and end the thread; those who iterate come to their end."""
        with self._lock:
            loop, self._loop, thread = self._loop, None, self._thread
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(self._ended(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def __enter__(self) -> Self:
        if self._loop is not None:
            raise RuntimeError("it is followed already")
        loop = self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_run, args=(loop,), name="scoreboard-live", daemon=True
        )
        self._thread.start()
        try:
            self._wait_for(self._begun())
        except BaseException:
            self.close()  # guard: thread-ends-unentered
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def _begun(self) -> None:
        self._http = None if self._make_http is None else self._make_http()
        self._live = self._make(self._http)
        await self._live.__aenter__()

    async def _ended(self) -> None:
        if self._live is not None:
            await self._live.close()
        if self._http is not None:
            await self._http.aclose()

    def _iterate(self, iterate: Callable[[Followed], AsyncIterator[Told]]) -> Iterator[Told]:
        async def begin() -> AsyncIterator[Told] | None:
            return None if self._live is None else iterate(self._live)

        async def take(told: AsyncIterator[Told]) -> tuple[Told, ...]:
            try:
                return (await anext(told),)
            except StopAsyncIteration:
                return ()

        if self._loop is None:
            raise RuntimeError("nothing is followed yet: enter it by `with` first")
        told = self._wait_for(begin())
        while told is not None and (taken := self._wait_for(take(told))):
            yield taken[0]

    def _wait_for(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer | None:
        """What it answers; None if nothing is followed any more."""
        with self._lock:
            if self._loop is None:
                coroutine.close()
                return None
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # as on Ctrl-C
            raise


class LiveBoard(_Thread[AsyncLiveBoard]):
    """A board as it is now, whatever becomes of the connection, and its seasons.

    As AsyncLiveBoard, but for `make_http`, which makes a client of httpx for the thread, and for
    `get_token`, which waits; UserClient.token is one.
    """

    def __init__(
        self,
        address: str,
        board: str = MAIN,
        *,
        get_token: Callable[[str | None], str | None] | None = None,
        timing: Timing | None = None,
        make_http: MakeHttp | None = None,
    ) -> None:
        super().__init__(
            lambda http: AsyncLiveBoard(
                address,
                board,
                get_token=None if get_token is None else _awaited(get_token),
                timing=timing,
                http=http,
            ),
            make_http,
        )

    @property
    def board(self) -> Board | None:
        """The newest board; None before the first."""
        return None if self._live is None else self._live.board

    @property
    def ended(self) -> SeasonEnded | None:
        """The last season that was seen to end."""
        return None if self._live is None else self._live.ended

    def __iter__(self) -> Iterator[Board]:
        return self._iterate(AsyncLiveBoard.__aiter__)

    def events(self) -> Iterator[BoardEvent]:
        """Boards, seasons that ended and began, and states."""
        return self._iterate(AsyncLiveBoard.events)


class PersonalStream(_Thread[AsyncPersonalStream]):
    """What concerns a user, live. As AsyncPersonalStream, with the differences of LiveBoard."""

    def __init__(
        self,
        address: str,
        boards: Sequence[str] = (MAIN,),
        *,
        get_token: Callable[[str | None], str | None],
        timing: Timing = PERSONAL_TIMING,
        make_http: MakeHttp | None = None,
    ) -> None:
        super().__init__(
            lambda http: AsyncPersonalStream(
                address, boards, get_token=_awaited(get_token), timing=timing, http=http
            ),
            make_http,
        )

    def place(self, board: str = MAIN) -> Place | None:
        """The newest place on that board; None before the first."""
        return None if self._live is None else self._live.place(board)

    def __iter__(self) -> Iterator[PersonalEvent]:
        return self._iterate(AsyncPersonalStream.__aiter__)


def _awaited(get_token: Callable[[str | None], str | None]) -> GetToken:
    return lambda rejected: asyncio.to_thread(get_token, rejected)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        for task in (tasks := asyncio.all_tasks(loop)):
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
