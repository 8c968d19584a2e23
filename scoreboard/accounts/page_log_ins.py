"""Log-ins on the page by an identity provider: its ID token begins a log-in of ours.

From there on it is like any other log-in: refreshed, ended and revoked here, whatever becomes of
the session at the provider.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from scoreboard.accounts import claims as read
from scoreboard.accounts.access import TOKEN_CHARS_MAX
from scoreboard.accounts.families import Families, TokenPair
from scoreboard.accounts.first_sight import FirstSight
from scoreboard.accounts.introductions import Introduction, introduction
from scoreboard.accounts.queries import SQL
from scoreboard.configuration.providers import Provider
from scoreboard.configuration.settings import Settings
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import Banned, InvalidToken, UnknownUser
from scoreboard.providers.code_flow import Begun, CodeFlow
from scoreboard.providers.providers import Providers, UnknownKey

log = structlog.get_logger("scoreboard.accounts")


class PageLogIns:
    """The providers that the page offers, and the log-ins that they vouch for."""

    def __init__(
        self,
        settings: Settings,
        postgres: Postgres,
        providers: Providers,
        first_sight: FirstSight,
        families: Families,
        clock: Callable[[], float] = time.time,
    ) -> None:
        back = f"{settings.public_url.rstrip('/')}/api/login"
        self.flows: Final[Mapping[str, CodeFlow]] = {
            name: CodeFlow(provider, f"{back}/{name}/callback")
            for name, provider in settings.page_providers.items()
        }
        self._postgres = postgres
        self._providers = providers
        self._first_sight = first_sight
        self._families = families
        self._clock = clock

    async def log_in(self, begun: Begun, came_with: Mapping[str, str]) -> TokenPair:
        """Log in who comes back from a provider, and make them a user if they are none. Raises
        LogInRefused, InvalidToken, Banned, UnknownUser (who was deleted a moment ago), Unavailable.
        """
        flow = self.flows[begun.name]
        token = await flow.id_token(begun, came_with)
        introduced = await self._introduced(token, flow.provider, begun.nonce)
        await self._first_sight.make(introduced)
        owner = {"user_id": introduced.user_id}
        pair = await self._families.opened_by("open_family_of", owner)
        if pair is None:
            raise await self._refusal(owner)
        log.info("scoreboard.accounts.logged_in", user_id=pair.user_id)
        return pair

    async def _introduced(self, token: str, provider: Provider, nonce: str) -> Introduction:
        """Read an ID token (OpenID Connect Core, 3.1.3.7). Raises InvalidToken, Unavailable."""
        if len(token) > TOKEN_CHARS_MAX:
            raise InvalidToken
        try:
            claims = self._signed(token, provider)
        except UnknownKey:
            await self._providers.renew(provider.issuer)
            claims = self._signed(token, provider)
        read.checked_end(claims, self._clock(), read.LEEWAY_SECONDS)
        if claims.get("azp", provider.client_id) != provider.client_id:
            raise InvalidToken
        given = claims.get("nonce")
        # guard: log-in-own-nonce
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            raise InvalidToken
        return introduction(provider, claims)

    def _signed(self, token: str, provider: Provider) -> dict[str, Any]:
        # guard: log-in-own-client
        return self._providers.signed_claims(token, provider, provider.client_id)

    async def _refusal(self, owner: Mapping[str, str]) -> Banned | UnknownUser:
        rows = await self._postgres.read(SQL["is_banned"], owner)
        return Banned() if rows and rows[0][0] else UnknownUser()
