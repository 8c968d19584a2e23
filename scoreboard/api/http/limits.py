"""Which limits hold for which request.

`limit` counts every request before anything else is done for it: against its address, and against
its user if it has a valid token. An address has two counts, one for those of its requests that bear
a valid token, so that nobody without one uses up what its users have (docs/decisions/0025). On
signed routes it counts against the server key that is named, at this address: an address that names
none is a stranger's (docs/decisions/0051). The handlers count what only the body tells:
registrations and log-ins against the address, log-ins against the name that they give as well,
refreshes and log-outs against their family. Checks that are asked together pass together, or use
nothing up.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from aiohttp import web

from scoreboard.accounts import names
from scoreboard.api.http.addresses import client_address, networks_of
from scoreboard.api.http.heads import FOUND
from scoreboard.api.http.identity import found_by_new_keys, identity_or_none, names_unknown_key
from scoreboard.api.http.needs import Needs, needs_of
from scoreboard.api.http.own_fields import ALLOWANCE
from scoreboard.api.http.tracing import span_of_call
from scoreboard.configuration.kinds import Rate
from scoreboard.configuration.settings import Settings
from scoreboard.errors import RateLimited, ScoreboardError
from scoreboard.keys.verifying import Claim, claim_of
from scoreboard.limits.checks import Allowance, Check, HashField, Seen, check_of, tightest
from scoreboard.parts import PARTS, Parts

# Of a signed route: which key a request names, before anything of it is verified.
CLAIM: Final = web.RequestKey("claim", Claim)
_REDIS: Final = {"db.system.name": "redis"}


async def limit(request: web.Request, parts: Parts) -> None:
    """Count the request against every limit that applies, before anything else is done for it; then
    refuse what was found to be wrong with its head.

    Raises RateLimited, and what was found. The answer has the allowance in fields of its own
    (`own_fields`).
    """
    needs = needs_of(request)
    also = None if needs.also is None else needs.also(request)
    checks = _of_caller(request, parts, needs)
    request[ALLOWANCE] = allowance = await _ask(request, parts, checks, also)
    if not allowance.allowed:
        raise RateLimited
    # A stranger who is counted is the one who waits.
    if names_unknown_key(request) and await found_by_new_keys(request):
        await _count(request, _of_caller(request, parts, needs))
    if (wrong := request.get(FOUND)) is not None:
        raise wrong


def seen_beside(request: web.Request) -> Seen | None:
    """What the route wanted to be read beside the limits (`Needs.also`), as Redis had it when this
    request was counted; None while Redis is away.
    """
    allowance = request.get(ALLOWANCE)
    return None if allowance is None else allowance.seen


# What the body tells; for handlers, once they have read it


async def count_registration(request: web.Request) -> None:
    """Count a registration against its address. Raises RateLimited."""
    settings = request.app[PARTS].settings
    rate = settings.rate_limit_accounts_per_ip
    await _count(request, _of_address(request, settings, "accounts", rate))


async def count_log_in(request: web.Request, login: str) -> None:
    """Count a log-in against its address, and against the name or e-mail address that it gives,
    which all addresses share. Raises RateLimited.
    """
    settings = request.app[PARTS].settings
    rate = settings.rate_limit_accounts_per_ip
    of_address = _of_address(request, settings, "accounts", rate)
    # guard: login-one-all
    of_login = check_of("login", _one_spelling(login), settings.rate_limit_logins_per_user)
    await _count(request, (*of_address, of_login))


async def count_refresh(request: web.Request, refresh_token: str) -> None:
    """Count a refresh or a log-out against the token's family. A token that we did not make has
    none. It counts against the address, apart from log-ins: made-up tokens cost the neighbours
    behind that address nothing. Raises RateLimited.
    """
    settings = request.app[PARTS].settings
    tokens = request.app[PARTS].accounts.families.tokens
    family = tokens.family_of(refresh_token)  # guard: token-did-not
    if family is None:  # guard: refreshes-counted-family
        rate = settings.rate_limit_accounts_per_ip
        checks = _of_address(request, settings, "tokens", rate)
    else:
        checks = (check_of("family", family, settings.rate_limit_per_family),)
    await _count(request, checks)


async def may_guess(request: web.Request, login: str, user_id: str | None) -> bool:
    """Count a log-in against the user that it means (None for nobody): by name and by e-mail
    address together. Where this says no, the password must be called wrong, also a right one.

    To say so with 429 would tell strangers which name and which e-mail address are one user's.
    """
    return (await _guess(request, user_id or _one_spelling(login))).allowed  # guard: name-address


async def count_guess(request: web.Request, user_id: str) -> None:
    """Count a password that this user gives once more, with a token: apart from `may_guess`,
    because a stranger without a token must not keep the user from a new password. Raises
    RateLimited.
    """
    allowance = await _guess(request, f"own:{user_id}")  # guard: guess-log-none
    if not allowance.allowed:
        request[ALLOWANCE] = allowance
        raise RateLimited


async def count_export(request: web.Request, user_id: str) -> None:
    """Count an answer that reads all that is kept of this user. Raises RateLimited."""
    rate = request.app[PARTS].settings.rate_limit_exports_per_user
    await _count(request, (check_of("exports", user_id, rate),))  # guard: exports-counted


async def count_signed(request: web.Request, check: Check) -> None:
    """Count a request against the server key that has signed it. Raises RateLimited."""
    await _count(request, (check,))


async def _guess(request: web.Request, key: str) -> Allowance:
    parts = request.app[PARTS]
    rate = parts.settings.rate_limit_logins_per_user
    return await _ask(request, parts, [check_of("guesses", key, rate)])


def _one_spelling(login: str) -> str:
    """One key for all spellings of a login that may mean one user, as the registry knows them.

    A digest, so that all keys are short, and no e-mail address lies in Redis.
    """
    key = names.login_key(login).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(key, digest_size=16).hexdigest()  # guard: no-e-mail


# Checks


def _of_caller(request: web.Request, parts: Parts, needs: Needs) -> tuple[Check, ...]:
    settings = parts.settings
    if needs.limit == "operations":
        return _of_address(request, settings, "operations", settings.rate_limit_per_ip)
    if needs.limit == "servers":
        return _of_server(request, parts)
    if (user := identity_or_none(request)) is None:
        return _of_address(request, settings, "ip", settings.rate_limit_per_ip)
    # guard: nobody-without-token
    of_address = _of_address(request, settings, "ip_users", settings.rate_limit_per_ip)
    # guard: users-address-together
    return (*of_address, check_of("user", user.user_id, settings.rate_limit_per_user))


def _of_server(request: web.Request, parts: Parts) -> tuple[Check, ...]:
    """Who names a key counts against what that key may at this address, and against the key itself
    once the signature is verified: so forged requests cost neither the key nor, from elsewhere, its
    servers anything. Who names none is a stranger, and hears why once that was counted.
    """
    target = request.rel_url.raw_path_qs
    if request.get(FOUND) is None:
        try:
            claim = claim_of(request.method, target, request.headers, parts.keyring, time.time())
        except ScoreboardError as refusal:
            request[FOUND] = refusal.with_traceback(None)
        else:
            request[CLAIM] = claim
            address = client_address(request, parts.settings.trusted_proxies)
            return _of_key(address, claim.key.key_id, claim.key.rate)  # guard: forged-own-count
    return _of_address(request, parts.settings, "ip", parts.settings.rate_limit_per_ip)


@lru_cache(maxsize=8192)
def _of_key(address: str, key_id: str, rate: Rate) -> tuple[Check, ...]:
    """One check for the narrowest network that the address is in: wider ones hold other servers."""
    network = networks_of(address)[0]
    return (check_of("server_address", f"{network.key}:{key_id}", rate),)


def _of_address(
    request: web.Request, settings: Settings, name: str, rate: Rate
) -> tuple[Check, ...]:
    address = client_address(request, settings.trusted_proxies)
    return _of_networks(name, address, rate)


@lru_cache(maxsize=8192)
def _of_networks(name: str, address: str, rate: Rate) -> tuple[Check, ...]:
    """One check for each network that the address is in; wider ones have more clients' quotas."""
    return tuple(
        check_of(name, network.key, Rate(rate.count * network.share, rate.seconds))
        for network in networks_of(address)
    )


async def _count(request: web.Request, checks: Sequence[Check]) -> None:
    """Count what the body tells; the answer tells of what leaves the least. Raises RateLimited."""
    allowance = await _ask(request, request.app[PARTS], checks)
    request[ALLOWANCE] = tightest([request[ALLOWANCE], allowance])
    if not allowance.allowed:
        raise RateLimited


async def _ask(
    request: web.Request, parts: Parts, checks: Sequence[Check], also: HashField | None = None
) -> Allowance:
    with span_of_call(request, "scoreboard.limits", _REDIS) as span:
        allowance = await parts.limiter.check(checks, also=also)
        if not allowance.allowed:
            span.note({"scoreboard.limit": allowance.check.name})
            parts.metrics.limited.labels(allowance.check.name).inc()
    return allowance
