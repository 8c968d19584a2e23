"""The client of a user, or of anybody who only reads, for asyncio: its methods are awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self, TypeVar

import httpx

from .asking import Asking
from .errors import ClientError
from .flows import Call, Came, Flow, Pause, Step, TokenWanted
from .places import OwnGrant, Page, Window
from .sending import PATIENCE_SECONDS, TIMEOUT_SECONDS, run_async, send_async
from .shown import MAIN, Board, SeasonEnded
from .tokens import Tokens
from .users import Action, BoardInfo, Followed, Listed, LogIn, Standing, Submitted

Answer = TypeVar("Answer")


class AsyncUserClient:
    """The same as `UserClient`, for asyncio; may be used by several tasks."""

    def __init__(
        self,
        address: str,
        *,
        log_in: LogIn | None = None,
        on_log_in: Callable[[LogIn | None], None] | None = None,
        on_pause: Callable[[Pause], None] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._address = address.rstrip("/")
        self._asking = Asking(Tokens(log_in, on_log_in), patience_seconds)
        self._on_pause = on_pause
        self._renewing: asyncio.Task[str | None] | None = None
        self._is_own = http is None
        self._http = http or httpx.AsyncClient(timeout=timeout_seconds)

    @property
    def address(self) -> str:
        """Where the service is."""
        return self._address

    @property
    def user(self) -> LogIn | None:
        """Who is logged in."""
        return self._asking.tokens.log_in

    async def token(self, rejected: str | None = None) -> str | None:
        """An access token that is good now, and another one than was `rejected`; None if nobody is
        logged in. Raises Refused, Unavailable.
        """
        usable = self._asking.tokens.usable(rejected)
        if usable is not None or self.user is None:
            return usable
        if self._renewing is None or self._renewing.done():  # guard: renewals-one-async
            self._renewing = asyncio.create_task(self._run(self._asking.renew(rejected)))
        # Who is cancelled loses no answer to a question for tokens: there are not many.
        return await asyncio.shield(self._renewing)

    async def register(
        self, username: str, email: str, password: str, *, invitation: str | None = None
    ) -> LogIn:
        """Make an account, and log in. Raises Refused, Unavailable."""
        return await self._run(self._asking.register(username, email, password, invitation))

    async def log_in(self, username: str, password: str) -> LogIn:
        """Log in with a user name, or the e-mail address. Raises Refused, Unavailable."""
        return await self._run(self._asking.log_in(username, password))

    async def log_out(self) -> None:
        """End this log-in. Raises Unavailable; nobody is logged in here any more all the same."""
        await self._run(self._asking.log_out())

    async def log_out_everywhere(self) -> None:
        """End every log-in of the user. Raises Refused, Unavailable."""
        await self._run(self._asking.log_out_everywhere())

    async def change_password(self, current: str, new: str) -> LogIn:
        """Change the password, which ends every other log-in. Raises Refused, Unavailable."""
        return await self._run(self._asking.change_password(current, new))

    async def submit(self, action_id: str) -> Submitted:
        """Submit the completion of an action, which counts once however often it is sent. Raises
        Refused (`already_granted` if an earlier call was granted it), Unavailable.
        """
        return await self._run(self._asking.submit(action_id))

    async def me(self) -> Standing:
        """Read the user's own score and rank. Raises Refused, Unavailable."""
        return await self._run(self._asking.me())

    async def grants(
        self, *, after: str | None = None, limit: int | None = None
    ) -> Listed[OwnGrant]:
        """Read what the user was granted, by action id. Raises Refused, Unavailable."""
        return await self._run(self._asking.grants(after, limit))

    async def place(
        self, board: str = MAIN, *, season: int | None = None, around: int = 5
    ) -> Window:
        """Read the user's place, with so many lines on each side. Raises Refused, Unavailable."""
        return await self._run(self._asking.place(board, season, around))

    async def place_of(
        self, user_id: str, board: str = MAIN, *, season: int | None = None
    ) -> Window:
        """Read somebody's place. Raises Refused (`no_entry` without one), Unavailable."""
        return await self._run(self._asking.place_of(user_id, board, season))

    async def entries(
        self,
        board: str = MAIN,
        *,
        season: int | None = None,
        after: str | None = None,
        before: str | None = None,
        rank: int | None = None,
        users: Iterable[str] = (),
        limit: int | None = None,
    ) -> Page:
        """Read a page of the whole ranking: from the top, behind or before a cursor, from a rank,
        or of these users. Raises Refused, Unavailable.
        """
        query = {"season": season, "after": after, "before": before, "rank": rank, "limit": limit}
        return await self._run(self._asking.entries(board, query, users))

    async def follows(self) -> tuple[Followed, ...]:
        """Read whom the user follows, by name. Raises Refused, Unavailable."""
        return await self._run(self._asking.follows())

    async def follow(self, user_id: str) -> None:
        """Follow a user. Raises Refused, Unavailable."""
        await self._run(self._asking.follow("PUT", user_id))

    async def unfollow(self, user_id: str) -> None:
        """Follow a user no longer. Raises Refused, Unavailable."""
        await self._run(self._asking.follow("DELETE", user_id))

    async def actions(
        self, *, after: str | None = None, limit: int | None = None
    ) -> Listed[Action]:
        """Read a page of the catalogue. Raises Refused, Unavailable."""
        return await self._run(self._asking.actions(after, limit))

    async def boards(
        self, *, after: str | None = None, limit: int | None = None
    ) -> Listed[BoardInfo]:
        """Read a page of the boards that may be read. Raises Refused, Unavailable."""
        return await self._run(self._asking.boards(after, limit))

    async def board(self, board: str = MAIN) -> Board:
        """Read what a board shows now. Raises Refused, Unavailable."""
        return await self._run(self._asking.board(board))

    async def season(self, number: int, board: str = MAIN) -> SeasonEnded:
        """Read a season that is over. Raises Refused, Unavailable."""
        return await self._run(self._asking.season(board, number))

    async def close(self) -> None:
        """Close the connections that are its own, once a renewal under way has ended."""
        try:
            if self._renewing is not None:
                with contextlib.suppress(ClientError):
                    await self._renewing
        finally:  # also for who is cancelled as it closes
            if self._is_own:
                await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self, flow: Flow[Answer]) -> Answer:
        return await run_async(flow, self._done)

    async def _done(self, step: Step) -> Came:
        if isinstance(step, Call):
            return await send_async(self._http, self._address, step)
        if isinstance(step, TokenWanted):
            return await self.token(step.rejected)
        if self._on_pause is not None:
            self._on_pause(step)
        await asyncio.sleep(step.seconds)
        return None
