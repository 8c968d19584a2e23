"""The tokens of one log-in: when one is good, and how the next ones are had.

A refresh token works once. An answer that was lost is asked for again, once: the service then gives
the same successor, and it ends the log-in for who asks more often (docs/api.md, "How long they
last"). So whoever has a log-in renews it one at a time, and in one place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import httpx

from .errors import Refused, Unavailable
from .flows import (
    LATER,
    Call,
    Flow,
    Pause,
    asked_to_wait,
    call,
    document_of,
    is_lost,
    pauses,
    read_with,
)
from .shown import text, whole
from .users import LogIn

# A token is renewed so long before its end, or for the last tenth of its time if that is less.
_SPARE_SECONDS: Final = 10.0
# A replaced refresh token answers once more, and ends the log-in after that.
_LOST_MAX: Final = 2
_UNAUTHORIZED: Final = 401


class Tokens:
    """Who is logged in, if anybody, and by which tokens. `on_change` hears of each new refresh
    token, and of None once nobody is logged in any more.
    """

    def __init__(
        self, log_in: LogIn | None, on_change: Callable[[LogIn | None], None] | None
    ) -> None:
        self.log_in = log_in
        self._on_change = on_change
        self._access: str | None = None
        self._usable_until = self._expires_at = float("-inf")

    def usable(self, rejected: str | None = None) -> str | None:
        """The access token, if it is good for some time yet, and not the one that was rejected."""
        is_good = self._access != rejected and time.monotonic() < self._usable_until
        return self._access if is_good else None

    def take(self, said: Mapping[str, Any], asked_at: float) -> LogIn:
        """Take a pair of tokens that was asked for at that moment of the monotonic clock. Raises
        ValueError.
        """
        log_in = LogIn(
            text(said.get("userId")), text(said.get("username")), text(said.get("refreshToken"))
        )
        access, seconds = text(said.get("accessToken")), whole(said.get("expiresIn"))
        if not access.isascii():
            raise ValueError("a token that no header can have")
        self._access, self._expires_at = access, asked_at + seconds
        self._usable_until = self._expires_at - min(_SPARE_SECONDS, seconds / 10)
        self._keep(log_in)
        return log_in

    def forget(self) -> LogIn | None:
        """Nobody is logged in any more; who was, is answered."""
        before = self.log_in
        self._access = None
        if before is not None:
            self._keep(None)
        return before

    def renew(self, rejected: str | None, patience_seconds: float) -> Flow[str | None]:
        """Get the next access token; None if nobody is logged in. Raises Refused, after which
        nobody is if the log-in has ended, and Unavailable.
        """
        log_in, usable = self.log_in, self.usable(rejected)
        if log_in is None or usable is not None:  # another one has renewed it meanwhile
            return usable
        asked = call("POST", "auth", "refresh", body={"refreshToken": log_in.refresh_token})
        if self._access != rejected and time.monotonic() < self._expires_at:
            # As a request of the user, whom no flood from this address keeps out.
            asked = replace(asked, token=self._access)
        until = time.monotonic() + patience_seconds
        asked_at = time.monotonic()
        try:
            document = yield from _next_pair(asked, until)
        except Refused as refused:
            if refused.status == _UNAUTHORIZED and self.log_in is log_in:
                self.forget()
            raise
        if self.log_in is log_in:  # who logged out meanwhile stays logged out
            read_with(lambda said: self.take(said, asked_at), document)
        return self._access

    def _keep(self, log_in: LogIn | None) -> None:
        self.log_in = log_in
        if self._on_change is not None:
            self._on_change(log_in)


def _next_pair(asked: Call, until: float) -> Flow[Mapping[str, Any]]:
    lost = 0
    for pause in pauses():
        came = yield asked
        if isinstance(came, httpx.Response) and came.status_code not in LATER:
            return document_of(came)
        lost += is_lost(came)
        wait = max(pause, asked_to_wait(came))
        # guard: lost-renewals-twice
        if lost >= _LOST_MAX or time.monotonic() + wait > until:
            raise Unavailable("the log-in could not be renewed now: nobody answered")
        yield Pause(wait, asked.path, "the log-in is being renewed")
    raise AssertionError("pauses have no end")
