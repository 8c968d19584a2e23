"""/api/login: log in on the page by an identity provider.

For browsers, which come to the first two by links: whatever happens, they end on the page, and an
answer there says what to do. Nothing that is worth anything is in an address, where histories, logs
and neighbours would see it; all is in one cookie, which no script reads (docs/decisions/0054).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import orjson
import structlog
from aiohttp import web

from scoreboard import errors
from scoreboard.api.accounts import tokens_reply
from scoreboard.api.asked import pairs_of, written
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.http import limits
from scoreboard.api.http.replies import read_json
from scoreboard.api.schemas.accounts import AgainSchema, ComingBackSchema, TokensSchema
from scoreboard.api.schemas.members import Request
from scoreboard.api.schemas.parameters import PROVIDER
from scoreboard.configuration.settings import Settings
from scoreboard.errors import ScoreboardError
from scoreboard.keys.sealing import Seal, Unreadable
from scoreboard.parts import PARTS
from scoreboard.providers.code_flow import Begun, CodeFlow, LogInRefused, Why

log = structlog.get_logger("scoreboard.accounts")

# For a password, a second factor and a look at a telephone.
BEGUN_SECONDS: Final = 600
# From the provider's redirect to the page's request.
DONE_SECONDS: Final = 60
_COOKIE_CHARS_MAX: Final = 2048
_EMPTY: Final = Request()
_HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_OF_BROWSERS: Final = Answer(
    description="To the provider, or back to the page, whose fragment tells how it went.",
    headers=("Location", "Cache-Control"),
)
# What the page is told. `done`: ask for the tokens; each other has its words there.
Outcome = Why | Literal["done", "banned", "unknown", "limited"]
_OUTCOMES: Final[tuple[tuple[type[ScoreboardError], Outcome], ...]] = (
    (errors.Banned, "banned"),
    (errors.UnknownUser, "unknown"),
    (errors.RateLimited, "limited"),
    (errors.NotAuthorized, "refused"),
)


@Operation(
    "beginLogIn",
    "Log in at an identity provider",
    tag="Accounts",
    answers={303: _OF_BROWSERS},
    errors=[errors.UnknownProvider],
    parameters=(PROVIDER,),
    query=AgainSchema(),
)
async def begin(request: web.Request) -> web.Response:
    """Where the page's log-in buttons lead: the browser goes on to the provider. With `?again`
    the provider asks who it is even if it knows.
    """
    flow = _flow(request)
    begun = Begun.at(written(request, PROVIDER))
    try:
        await limits.count_registration(request)
        address = await flow.address(begun, again=("again", "") in pairs_of(request))
    except (LogInRefused, ScoreboardError) as error:
        return _back(request, _outcome(error))
    cookie = _Cookie(request)
    response = web.Response(status=303, headers={**_HEADERS, "Location": address})
    kept = {"name": begun.name, "state": begun.state, "nonce": begun.nonce}
    cookie.put(response, {**kept, "verifier": begun.verifier}, BEGUN_SECONDS)
    return response


@Operation(
    "endLogIn",
    "Come back from an identity provider",
    tag="Accounts",
    answers={303: _OF_BROWSERS},
    errors=[errors.UnknownProvider],
    parameters=(PROVIDER,),
    query=ComingBackSchema(),
)
async def come_back(request: web.Request) -> web.Response:
    """Where the provider sends the browser back to, with a code or an error. The browser goes on to
    the page, whose fragment is `#login=done`, or says why nobody was logged in.
    """
    _flow(request)
    cookie = _Cookie(request)
    try:
        await limits.count_registration(request)
        begun = _begun(request, cookie)
        tokens = await request.app[PARTS].page_log_ins.log_in(begun, _query(request))
    except (LogInRefused, ScoreboardError) as error:
        response = _back(request, _outcome(error))
        # Somebody may have made this browser come here; what it began itself goes on.
        if not (isinstance(error, LogInRefused) and error.why == "expired"):
            cookie.drop(response)
        return response
    response = _back(request, "done")
    cookie.put(response, {"refreshToken": tokens.refresh_token}, DONE_SECONDS)
    return response


@Operation(
    "takeLogIn",
    "Take the tokens of a log-in at an identity provider",
    tag="Accounts",
    body=_EMPTY,
    answers={200: Answer(TokensSchema(), headers=("Cache-Control",))},
    errors=[
        errors.InvalidRefreshToken,
        errors.Banned,
        errors.LedgerUnavailable,
        errors.Unavailable,
    ],
)
async def take(request: web.Request) -> web.Response:
    """What the page asks for at `#login=done`: the tokens, for the cookie of a log-in within the
    last minute. They are given once, as a refresh token is taken once.
    """
    await read_json(request, _EMPTY)  # other sites' pages cannot send JSON here
    cookie = _Cookie(request)
    token = cookie.read(DONE_SECONDS).get("refreshToken")
    await limits.count_refresh(request, token or "")
    if token is None:
        raise errors.InvalidRefreshToken
    response = tokens_reply(await request.app[PARTS].accounts.families.refresh(token))
    cookie.drop(response)  # guard: log-in-taken-once
    return response


def _flow(request: web.Request) -> CodeFlow:
    flow = request.app[PARTS].page_log_ins.flows.get(written(request, PROVIDER))
    if flow is None:
        raise errors.UnknownProvider
    return flow


def _begun(request: web.Request, cookie: _Cookie) -> Begun:
    """What this browser began. Raises LogInRefused."""
    kept = cookie.read(BEGUN_SECONDS)
    # guard: log-in-own-provider
    if kept.get("name") != written(request, PROVIDER):
        raise LogInRefused("expired", "no cookie, or another provider's")
    return Begun(**kept)


def _query(request: web.Request) -> Mapping[str, str]:
    """Each parameter once: of two, somebody else may have written one. Raises LogInRefused."""
    pairs = pairs_of(request)
    found = dict(pairs)
    if len(found) < len(pairs):  # guard: log-in-query-once
        raise LogInRefused("refused", "a parameter is there twice")
    return found


def _outcome(error: LogInRefused | ScoreboardError) -> Outcome:
    if isinstance(error, LogInRefused):
        return error.why
    return next((told for kind, told in _OUTCOMES if isinstance(error, kind)), "unavailable")


def _back(request: web.Request, outcome: Outcome) -> web.Response:
    """To the page, which the settings name: never to where a request says."""
    parts = request.app[PARTS]
    parts.metrics.page_log_ins.labels(outcome).inc()
    log.info("scoreboard.accounts.came_back", outcome=outcome)
    page = parts.settings.public_url.rstrip("/")
    return web.Response(status=303, headers={**_HEADERS, "Location": f"{page}/#login={outcome}"})


class _Cookie:
    """What a browser keeps of a log-in for a while: sealed, and for no script and no other site. At
    an address with TLS no neighbour of our domain can put another one in its place (`__Host-`).
    """

    def __init__(self, request: web.Request) -> None:
        self._request = request
        settings = request.app[PARTS].settings
        self._has_tls = settings.public_url.startswith("https:")
        # guard: log-in-cookie-own
        self.name: Final = f"{'__Host-' if self._has_tls else ''}scoreboard-login"
        self._seal = _seal(settings)

    def put(self, response: web.Response, kept: Mapping[str, str], seconds: int) -> None:
        sealed = self._seal.seal(orjson.dumps(dict(kept))).decode()
        self._set(response, sealed, seconds)

    def drop(self, response: web.Response) -> None:
        self._set(response, "", 0)

    def read(self, within_seconds: int) -> dict[str, Any]:
        """What was kept; nothing if that was longer ago, or is not from us."""
        fields = ";".join(self._request.headers.getall("Cookie", ())).split(";")
        pairs = (field.strip().partition("=") for field in fields)
        values = [value for name, _, value in pairs if name == self.name]
        # Of two, somebody else has written one.
        if len(values) != 1 or len(values[0]) > _COOKIE_CHARS_MAX or not values[0].isascii():
            return {}
        try:
            opened = self._seal.open(values[0].encode(), within_seconds)  # guard: log-in-in-time
        except Unreadable:
            return {}
        kept: dict[str, Any] = orjson.loads(opened)
        return kept

    def _set(self, response: web.Response, value: str, seconds: int) -> None:
        response.set_cookie(
            self.name,
            value,
            max_age=seconds,
            path="/",
            secure=self._has_tls,
            httponly=True,
            samesite="Lax",  # not Strict: the provider's redirect is to bring it
        )


def _seal(settings: Settings) -> Seal:
    return Seal(settings.secrets, "log-ins of the page")
