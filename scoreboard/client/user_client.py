"""The client of a user, or of anybody who only reads. Its methods wait for their answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self, TypeVar

import httpx

from .asking import Asking
from .flows import Call, Came, Flow, Pause, Step, TokenWanted
from .places import OwnGrant, Page, Window
from .sending import PATIENCE_SECONDS, TIMEOUT_SECONDS, run, send
from .shown import MAIN, Board, SeasonEnded
from .tokens import Tokens
from .users import Action, BoardInfo, Followed, Listed, LogIn, Standing, Submitted

Answer = TypeVar("Answer")


class UserClient:
    """Asks a scoreboard as a user does, who logs in or goes on with a `log_in` that was kept; what
    everybody may read needs no log-in. `address` is that of the service, such as
    `https://scores.example`. May be used by several threads.

    A request that is not answered is sent again until `patience_seconds` are over, and then raises
    Unavailable; each attempt has `timeout_seconds`. `on_pause` hears of each wait before another
    attempt. `on_log_in` hears of each new LogIn, to be kept, and of None when it ended. `http` is a
    client of httpx to send by: who brings it closes it.
    """

    def __init__(
        self,
        address: str,
        *,
        log_in: LogIn | None = None,
        on_log_in: Callable[[LogIn | None], None] | None = None,
        on_pause: Callable[[Pause], None] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        http: httpx.Client | None = None,
    ) -> None:
        self._address = address.rstrip("/")
        self._asking = Asking(Tokens(log_in, on_log_in), patience_seconds)
        self._on_pause = on_pause
        self._turn = threading.Lock()  # to renew the tokens
        self._is_own = http is None
        self._http = http or httpx.Client(timeout=timeout_seconds)

    @property
    def address(self) -> str:
        """Where the service is."""
        return self._address

    @property
    def user(self) -> LogIn | None:
        """Who is logged in."""
        return self._asking.tokens.log_in

    def token(self, rejected: str | None = None) -> str | None:
        """An access token that is good now, and another one than was `rejected`; None if nobody is
        logged in. Raises Refused, Unavailable.
        """
        usable = self._asking.tokens.usable(rejected)
        if usable is not None or self.user is None:
            return usable
        with self._turn:  # guard: renewals-one-sync
            return self._run(self._asking.renew(rejected))

    def register(
        self, username: str, email: str, password: str, *, invitation: str | None = None
    ) -> LogIn:
        """Make an account, and log in. Raises Refused, Unavailable."""
        return self._run(self._asking.register(username, email, password, invitation))

    def log_in(self, username: str, password: str) -> LogIn:
        """Log in with a user name, or the e-mail address. Raises Refused, Unavailable."""
        return self._run(self._asking.log_in(username, password))

    def log_out(self) -> None:
        """End this log-in. Raises Unavailable; nobody is logged in here any more all the same."""
        self._run(self._asking.log_out())

    def log_out_everywhere(self) -> None:
        """End every log-in of the user. Raises Refused, Unavailable."""
        self._run(self._asking.log_out_everywhere())

    def change_password(self, current: str, new: str) -> LogIn:
        """Change the password, which ends every other log-in. Raises Refused, Unavailable."""
        return self._run(self._asking.change_password(current, new))

    def submit(self, action_id: str) -> Submitted:
        """Submit the completion of an action, which counts once however often it is sent. Raises
        Refused (`already_granted` if an earlier call was granted it), Unavailable.
        """
        return self._run(self._asking.submit(action_id))

    def me(self) -> Standing:
        """Read the user's own score and rank. Raises Refused, Unavailable."""
        return self._run(self._asking.me())

    def grants(self, *, after: str | None = None, limit: int | None = None) -> Listed[OwnGrant]:
        """Read what the user was granted, by action id. Raises Refused, Unavailable."""
        return self._run(self._asking.grants(after, limit))

    def place(self, board: str = MAIN, *, season: int | None = None, around: int = 5) -> Window:
        """Read the user's place, with so many lines on each side. Raises Refused, Unavailable."""
        return self._run(self._asking.place(board, season, around))

    def place_of(self, user_id: str, board: str = MAIN, *, season: int | None = None) -> Window:
        """Read somebody's place. Raises Refused (`no_entry` without one), Unavailable."""
        return self._run(self._asking.place_of(user_id, board, season))

    def entries(
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
        return self._run(self._asking.entries(board, query, users))

    def follows(self) -> tuple[Followed, ...]:
        """Read whom the user follows, by name. Raises Refused, Unavailable."""
        return self._run(self._asking.follows())

    def follow(self, user_id: str) -> None:
        """Follow a user. Raises Refused, Unavailable."""
        self._run(self._asking.follow("PUT", user_id))

    def unfollow(self, user_id: str) -> None:
        """Follow a user no longer. Raises Refused, Unavailable."""
        self._run(self._asking.follow("DELETE", user_id))

    def actions(self, *, after: str | None = None, limit: int | None = None) -> Listed[Action]:
        """Read a page of the catalogue. Raises Refused, Unavailable."""
        return self._run(self._asking.actions(after, limit))

    def boards(self, *, after: str | None = None, limit: int | None = None) -> Listed[BoardInfo]:
        """Read a page of the boards that may be read. Raises Refused, Unavailable."""
        return self._run(self._asking.boards(after, limit))

    def board(self, board: str = MAIN) -> Board:
        """Read what a board shows now. Raises Refused, Unavailable."""
        return self._run(self._asking.board(board))

    def season(self, number: int, board: str = MAIN) -> SeasonEnded:
        """Read a season that is over. Raises Refused, Unavailable."""
        return self._run(self._asking.season(board, number))

    def close(self) -> None:
        """Close the connections that are its own."""
        if self._is_own:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, flow: Flow[Answer]) -> Answer:
        return run(flow, self._done)

    def _done(self, step: Step) -> Came:
        if isinstance(step, Call):
            return send(self._http, self._address, step)
        if isinstance(step, TokenWanted):
            return self.token(step.rejected)
        if self._on_pause is not None:
            self._on_pause(step)
        time.sleep(step.seconds)
        return None
