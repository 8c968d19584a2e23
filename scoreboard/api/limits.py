"""Which limits hold for which request."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from scoreboard.api.addresses import client_address
from scoreboard.api.identity import identity_or_none
from scoreboard.api.rates import Allowance, Check, check_of
from scoreboard.api.replies import is_shared
from scoreboard.api.tracing import span_of_call
from scoreboard.errors import RateLimited
from scoreboard.keys import LIMITER, METRICS, SETTINGS
from scoreboard.scoring.model import Board

# Probes and scrapes are counted apart, so that a flood from a shared address cannot make an
# orchestrator believe that the instance is dead.
_OPERATIONS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_ALLOWANCE: Final = web.RequestKey("allowance", Allowance)
_REDIS: Final = {"db.system.name": "redis"}


@web.middleware
async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request against every limit that applies, before anything else is done for it.

    Raises RateLimited. The answer's headers are set in `write_limits`, when it is prepared.
    """
    checks = _checks(request)
    with span_of_call(request, "scoreboard.limits", _REDIS) as span:
        request[_ALLOWANCE] = allowance = await request.app[LIMITER].check(checks)
        if not allowance.allowed:
            span.note({"scoreboard.limit": allowance.check.name})
    if not allowance.allowed:
        _refuse(request, allowance)
    return await handler(request)


async def write_limits(request: web.Request, response: web.StreamResponse) -> None:
    """Put the RateLimit fields on every answer that is for this client alone (an
    `on_response_prepare` signal).
    """
    allowance = request.get(_ALLOWANCE)
    if allowance is not None and not is_shared(response.headers):
        response.headers.update(allowance.headers())


def board_seen(request: web.Request) -> Board | None:
    """The board that Redis held when this request was counted, if that is known: at least as new as
    any that was stored before the request came.
    """
    allowance = request.get(_ALLOWANCE)
    return None if allowance is None else allowance.board


async def limit_logins(request: web.Request, login: str) -> None:
    """Count a log-in attempt against the user it names, from whatever address. Raises
    RateLimited.
    """
    rate = request.app[SETTINGS].rate_limit_logins_per_user
    allowance = await request.app[LIMITER].check([check_of("login", _who(login), rate)])
    if not allowance.allowed:
        request[_ALLOWANCE] = allowance
        _refuse(request, allowance)


def _who(login: str) -> str:
    """One key for all spellings of a login that may mean one user: the registry knows a user in any
    case and in look-alike letters (`ᴬᵈａ`), PostgreSQL's lower() makes an `i` of `İ`. That a few
    strangers may share a key (`josé`, `jose`) harms them less.

    A digest, so that keys are short whatever is written, and no e-mail address lies in Redis.
    """
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", login).casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return hashlib.blake2b(plain.encode(), digest_size=16).hexdigest()


def _checks(request: web.Request) -> list[Check]:
    settings = request.app[SETTINGS]
    address = client_address(request, settings.trusted_proxies)
    path = request.path
    if path in _OPERATIONS:
        return [check_of("operations", address, settings.rate_limit_per_ip)]
    checks = [check_of("ip", address, settings.rate_limit_per_ip)]
    if path.startswith("/api/auth/"):
        checks.append(check_of("accounts", address, settings.rate_limit_accounts_per_ip))
    elif (user := identity_or_none(request)) is not None:
        checks.append(check_of("user", user.user_id, settings.rate_limit_per_user))
    return checks


def _refuse(request: web.Request, allowance: Allowance) -> None:
    request.app[METRICS].limited.labels(allowance.check.name).inc()
    raise RateLimited
