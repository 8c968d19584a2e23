"""A log-in at a provider, by the authorization code flow: where a browser is sent, and what the
code that it comes back with is exchanged for.

    browser -> provider   with the digest of a secret (PKCE), a state and a nonce
    provider -> browser   back to us, with the state and a code
    we -> provider        the code and the secret, for an ID token with the nonce

OpenID Connect Core 3.1, RFC 7636 (PKCE), RFC 9207 (`iss`), RFC 9700 (what may go wrong).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import quote_plus, urlencode, urlsplit

import structlog

from scoreboard.configuration.providers import Provider
from scoreboard.providers import documents
from scoreboard.providers.documents import DocumentRefused

log = structlog.get_logger("scoreboard.providers")

# What a provider says of itself changes by the year.
DESCRIPTION_SECONDS: Final = 300.0
# Strangers can begin log-ins: a provider that is away is asked no more often.
TRIED_EVERY_SECONDS: Final = 5.0
_SCOPE: Final = "openid profile email"
_CODE_CHARS_MAX: Final = 2048
# RFC 6749, 5.2: the code or we are refused, and trying again does not help.
_REFUSED: Final = (400, 401, 403)

Why = Literal["denied", "expired", "refused", "unavailable"]


class LogInRefused(Exception):
    """A log-in at a provider came to nothing.

    denied       the provider says that its user did not log in, or did not want to
    expired      the browser did not begin this log-in, or began another one, or too long ago
    refused      what the provider answers cannot be used
    unavailable  the provider is away
    """

    def __init__(self, why: Why, reason: str = "") -> None:
        super().__init__(reason or why)
        self.why: Final = why


@dataclass(frozen=True, slots=True)
class Begun:
    """What the browser that begins a log-in keeps, and nobody else may read or write."""

    name: str  # the provider's, in paths
    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @classmethod
    def at(cls, name: str) -> Begun:
        """Begin: 256 random bits for each purpose."""
        return cls(name, *(secrets.token_urlsafe(32) for _ in range(3)))


class CodeFlow:
    """The log-ins at one provider; `way_back` is where it sends browsers."""

    def __init__(
        self,
        provider: Provider,
        way_back: str,
        *,
        describe: Callable[[str], Awaitable[Mapping[str, Any]]] = documents.fetch_description,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider: Final = provider
        self._way_back = way_back
        self._describe = describe
        self._clock = clock
        self._described: Mapping[str, Any] | None = None
        self._asked_at: dict[bool, float] = defaultdict(lambda: float("-inf"))
        self._asking = asyncio.Lock()

    async def address(self, begun: Begun, *, again: bool = False) -> str:
        """Where to send the browser. With `again` the provider asks who it is even if it knows.
        Raises LogInRefused.
        """
        description = await self._description()
        place = self._place(description, "authorization_endpoint")
        digest = hashlib.sha256(begun.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self._way_back,
            "scope": _SCOPE,
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if again:
            asked["prompt"] = "login"
        return f"{place}{'&' if urlsplit(place).query else '?'}{urlencode(asked)}"

    async def id_token(self, begun: Begun, came_with: Mapping[str, str]) -> str:
        """Exchange the code that the browser came back with for an ID token, which nobody has
        looked at yet. Raises LogInRefused.
        """
        # guard: log-in-own-state
        if not hmac.compare_digest(came_with.get("state", "").encode(), begun.state.encode()):
            raise LogInRefused("expired", "another state")
        description = await self._description()
        self._check_sender(description, came_with.get("iss"))
        if "error" in came_with:
            raise LogInRefused("denied", "the provider tells of an error")
        code = came_with.get("code", "")
        if not 0 < len(code) <= _CODE_CHARS_MAX:
            raise LogInRefused("refused", "no code")
        return await self._exchanged(description, code, begun.verifier)

    def _check_sender(self, description: Mapping[str, Any], issuer: str | None) -> None:
        """Whoever answers in the place of this provider could hand us another one's code."""
        if issuer is None:
            if description.get("authorization_response_iss_parameter_supported") is True:
                raise LogInRefused("refused", "no iss")
        elif issuer != self.provider.issuer:  # guard: log-in-own-issuer
            raise LogInRefused("refused", "another iss")

    async def _exchanged(self, description: Mapping[str, Any], code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._way_back,
            "code_verifier": verifier,
            "client_id": self.provider.client_id,
        }
        headers = {}
        if secret := self.provider.client_secret:
            if description.get("token_endpoint_auth_methods_supported") == ["client_secret_post"]:
                form["client_secret"] = secret
            else:
                headers["Authorization"] = _basic(self.provider.client_id, secret)
                del form["client_id"]
        try:
            answer = await documents.post_form(
                self.provider.issuer, description, "token_endpoint", form, headers
            )
        except DocumentRefused as refusal:
            self._log(str(refusal))
            why: Why = "refused" if refusal.status in _REFUSED else "unavailable"
            raise LogInRefused(why, str(refusal)) from refusal
        token = answer.get("id_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token.isascii():
            self._log("no id_token")
            raise LogInRefused("refused", "no id_token")
        return token

    async def _description(self) -> Mapping[str, Any]:
        """What the provider says of itself: once asked for all who wait; an older one serves on
        while it is away.
        """
        async with self._asking:
            now = self._clock()
            known = self._described is not None
            pause = DESCRIPTION_SECONDS if known else TRIED_EVERY_SECONDS
            if now >= self._asked_at[known] + pause:  # guard: log-in-asks-seldom
                self._asked_at[known] = now
                try:
                    self._described = await self._describe(self.provider.issuer)
                    self._asked_at[True] = now
                except DocumentRefused as refusal:
                    self._log(str(refusal))
            if self._described is None:
                raise LogInRefused("unavailable")
            return self._described

    def _place(self, description: Mapping[str, Any], member: str) -> str:
        try:
            return documents.place_of(self.provider.issuer, description, member)
        except DocumentRefused as refusal:
            self._log(str(refusal))
            raise LogInRefused("refused", str(refusal)) from refusal

    def _log(self, reason: str) -> None:
        log.warning("scoreboard.providers.no_log_in", issuer=self.provider.issuer, reason=reason)


def _basic(client_id: str, secret: str) -> str:
    """RFC 6749, 2.3.1: as a form would write the two."""
    text = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"
