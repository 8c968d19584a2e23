"""What can be asked for without a server key, as flows: by anybody, or by a user who logged in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from . import places, shown, users
from .errors import Refused
from .flows import Call, Flow, TokenWanted, answer_to, call, read_with
from .places import OwnGrant, Page, Window
from .shown import MAIN, Board, SeasonEnded
from .tokens import Tokens
from .users import Action, BoardInfo, Followed, Listed, LogIn, Standing, Submitted

# The codes that refuse an access token which was good once: a new one is asked for, once.
_TOKEN_REFUSED: Final = frozenset({"expired_token", "invalid_token", "revoked_token"})
_UNAUTHORIZED: Final = 401

Answer = TypeVar("Answer")


class Asking:
    """Flows of one user, or of nobody yet."""

    def __init__(self, tokens: Tokens, patience_seconds: float) -> None:
        self.tokens = tokens
        self._patience_seconds = patience_seconds

    def renew(self, rejected: str | None) -> Flow[str | None]:
        """The next access token."""
        return self.tokens.renew(rejected, self._patience_seconds)

    def register(
        self, username: str, email: str, password: str, invitation: str | None
    ) -> Flow[LogIn]:
        """Make an account. After a lost answer a name that is taken may be that of the account."""
        body = {"username": username, "email": email, "password": password}
        if invitation is not None:
            body["invitation"] = invitation
        lost = _Lost()
        try:
            return (yield from self._enter("register", body, lost))
        except Refused as refused:
            if refused.code != "account_taken" or not lost.has_happened:
                raise
            try:  # it may be the one that the lost answer was about
                return (yield from self.log_in(username, password))
            except Refused:
                raise refused from None

    def log_in(self, username: str, password: str) -> Flow[LogIn]:
        """Log in."""
        return self._enter("login", {"username": username, "password": password}, _Lost())

    def log_out(self) -> Flow[None]:
        """Forget the log-in, and end it."""
        before = self.tokens.forget()
        if before is not None:
            body = {"refreshToken": before.refresh_token}
            yield from answer_to(call("POST", "auth", "logout", body=body), self._until())

    def log_out_everywhere(self) -> Flow[None]:
        """End every log-in."""
        yield from self._as_user(call("POST", "auth", "logout-all"))
        self.tokens.forget()

    def change_password(self, current: str, new: str) -> Flow[LogIn]:
        """Change it, and log in anew."""
        body = {"currentPassword": current, "newPassword": new}
        asked_at = time.monotonic()
        said = yield from self._as_user(call("POST", "auth", "password", body=body))
        return read_with(lambda document: self.tokens.take(document, asked_at), said)

    def submit(self, action_id: str) -> Flow[Submitted]:
        """Submit an action. What was granted by a request whose answer was lost is granted."""
        lost = _Lost()
        asked = call("POST", "actions", body={"actionId": action_id})
        try:
            said = yield from self._as_user(asked, lost)
        except Refused as refused:
            # guard: lost-submission-repeated
            if refused.code != "already_granted" or not lost.has_happened:
                raise
            return read_with(users.repeated, refused.document)
        return read_with(users.submitted, said)

    def me(self) -> Flow[Standing]:
        """The own standing."""
        return self._read(users.standing, call("GET", "me"))

    def grants(self, after: str | None, limit: int | None) -> Flow[Listed[OwnGrant]]:
        """What was granted."""
        asked = call("GET", "me", "grants", query={"after": after, "limit": limit})
        return self._read(users.grants, asked)

    def place(self, board_id: str, season: int | None, around: int) -> Flow[Window]:
        """The own place."""
        query = {"season": season, "around": around}
        return self._read(places.window, call("GET", "boards", board_id, "me", query=query))

    def place_of(self, user_id: str, board_id: str, season: int | None) -> Flow[Window]:
        """Somebody's place."""
        query = {"season": season}
        asked = call("GET", "boards", board_id, "users", user_id, query=query)
        return self._read(places.window, asked)

    def entries(self, board_id: str, query: Mapping[str, Any], ids: Iterable[str]) -> Flow[Page]:
        """A page of a ranking."""
        named = ",".join(ids) or None
        asked = call("GET", "boards", board_id, "entries", query={**query, "users": named})
        return self._read(places.page, asked)

    def follows(self) -> Flow[tuple[Followed, ...]]:
        """Whom the user follows."""
        return self._read(users.follows, call("GET", "me", "follows"))

    def follow(self, method: str, user_id: str) -> Flow[None]:
        """PUT or DELETE whom the user follows."""
        yield from self._as_user(call(method, "me", "follows", user_id))

    def actions(self, after: str | None, limit: int | None) -> Flow[Listed[Action]]:
        """A page of the catalogue."""
        return self._read(
            users.actions, call("GET", "actions", query={"after": after, "limit": limit})
        )

    def boards(self, after: str | None, limit: int | None) -> Flow[Listed[BoardInfo]]:
        """A page of the boards."""
        return self._read(
            users.boards, call("GET", "boards", query={"after": after, "limit": limit})
        )

    def board(self, board_id: str) -> Flow[Board]:
        """A board as it is."""
        return self._read(
            lambda said: shown.board(said, said.get("data"), said.get("version")),
            call("GET", *path_of(board_id)),
        )

    def season(self, board_id: str, number: int) -> Flow[SeasonEnded]:
        """A season that is over."""
        return self._read(
            lambda said: shown.season_ended(said, said.get("data")),
            call("GET", "boards", board_id, "leaderboard", query={"season": number}),
        )

    def _enter(self, how: str, body: Mapping[str, Any], lost: _Lost) -> Flow[LogIn]:
        asked_at = time.monotonic()
        said = yield from answer_to(call("POST", "auth", how, body=body), self._until(), lost)
        return read_with(lambda document: self.tokens.take(document, asked_at), said)

    def _read(self, read: Callable[[Mapping[str, Any]], Answer], asked: Call) -> Flow[Answer]:
        return read_with(read, (yield from self._as_user(asked)))

    def _as_user(self, asked: Call, lost: Callable[[], None] | None = None) -> Flow[Any]:
        """Send a call with the user's token, if anybody is logged in; one that has ended meanwhile
        is renewed once. For somebody else who logs in meanwhile nothing is sent.
        """
        until, on_lost, caller = self._until(), lost or _Lost(), self.tokens.log_in
        token = yield from self._token_of(caller, None)
        try:
            return (yield from answer_to(replace(asked, token=token), until, on_lost))
        except Refused as refused:
            if token is None or refused.code not in _TOKEN_REFUSED:
                raise
        token = yield from self._token_of(caller, token)
        return (yield from answer_to(replace(asked, token=token), until, on_lost))

    def _token_of(self, caller: LogIn | None, rejected: str | None) -> Flow[str | None]:
        """A token of who has called, and not the one that was rejected."""
        came = yield TokenWanted(rejected)
        now = self.tokens.log_in
        # guard: calls-of-one-user
        if caller is not None and now is not None and now.user_id != caller.user_id:
            message = f"this was for {caller.username}, who is not logged in here any more"
            raise Refused(_UNAUTHORIZED, "left", message)
        return came if isinstance(came, str) else None

    def _until(self) -> float:
        return time.monotonic() + self._patience_seconds


class _Lost:
    """Whether an answer may have been lost, by which what was asked for was done."""

    def __init__(self) -> None:
        self.has_happened = False

    def __call__(self) -> None:
        self.has_happened = True


def path_of(board_id: str) -> tuple[str, ...]:
    """The parts of the path of a board, beneath which its stream is too; `main` has its own, which
    services of every version know.
    """
    return ("leaderboard",) if board_id == MAIN else ("boards", board_id, "leaderboard")
