"""Log-ins on the page by an identity provider: whom others would log in, or send elsewhere."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg2
import pytest
import pytest_asyncio
from cryptography.fernet import Fernet

from scoreboard.api import login
from scoreboard.configuration.signatures import derived
from scoreboard.parts import PARTS
from scoreboard.providers.code_flow import TRIED_EVERY_SECONDS, Begun, CodeFlow, LogInRefused
from scoreboard.providers.documents import DocumentRefused
from tests.eventually import eventually
from tests.identity_provider import AUDIENCE, IdentityProvider, SigningKey, serving
from tests.instances import PATIENCE, SECRET, Instance, starting_instances
from tests.world import sql

PAGE = "https://scores.example"
CLIENT = "the-page"
COOKIE = "__Host-scoreboard-login"
NAME = "id"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[IdentityProvider]:
    made = IdentityProvider()
    async with serving(made):
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def instance(
    shared_database_url: str,
    shared_redis_url: str,
    shared_amqp_url: str,
    provider: IdentityProvider,
) -> AsyncIterator[Instance]:
    other = {"audience": AUDIENCE, "client_id": CLIENT, "name": "other"}
    issuers = {
        provider.issuer: {"audience": AUDIENCE, "client_id": CLIENT, "name": NAME},
        "https://other.example": other,
    }
    async with starting_instances(
        shared_database_url, shared_redis_url, shared_amqp_url, **PATIENCE
    ) as start:
        yield await start(oidc_issuers=issuers, public_url=f"{PAGE}/", refresh_grace_seconds=0)


@dataclass
class Visitor:
    """A browser as far as log-ins go: it keeps one cookie and follows nothing by itself."""

    instance: Instance
    cookie: str = ""
    asked: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **kwargs: Any) -> str:
        """Where it is sent."""
        headers = {"Cookie": f"x=1; {COOKIE}={self.cookie}"} if self.cookie else {}
        kwargs["headers"] = headers | kwargs.get("headers", {})
        async with self.instance.client.get(path, allow_redirects=False, **kwargs) as response:
            assert response.status == 303, await response.text()
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            self._keep(response.headers.getall("Set-Cookie", []))
            return response.headers["Location"]

    async def begin(self, **kwargs: Any) -> dict[str, str]:
        self.asked = dict(parse_qsl(urlsplit(await self.get(f"/api/login/{NAME}", **kwargs)).query))
        return self.asked

    async def come_back(self, name: str = NAME, **query: str) -> str:
        """The outcome that the page is told."""
        query = {"state": self.asked.get("state", "")} | query
        address = await self.get(f"/api/login/{name}/callback", params=query)
        page, _, outcome = address.partition("/#login=")
        assert page == PAGE
        return outcome

    async def take(self, **kwargs: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Cookie": f"{COOKIE}={self.cookie}"}
        sent = {"json": {}} | kwargs
        async with self.instance.client.post("/api/login", headers=headers, **sent) as response:
            self._keep(response.headers.getall("Set-Cookie", []))
            return response.status, await response.json()

    def _keep(self, fields: list[str]) -> None:
        for text in fields:
            [(name, morsel)] = SimpleCookie(text).items()
            assert name == COOKIE
            assert morsel["httponly"]
            assert morsel["secure"]
            assert morsel["path"] == "/"
            assert morsel["samesite"] == "Lax"
            assert not morsel["domain"]
            self.cookie = morsel.value if morsel["max-age"] != "0" else ""


async def logged_in(instance: Instance, provider: IdentityProvider, subject: str) -> Any:
    visitor = Visitor(instance)
    asked = await visitor.begin()
    assert await visitor.come_back(code=provider.vouch(asked, subject)) == "done"
    status, document = await visitor.take()
    assert status == 200, document
    assert not visitor.cookie  # it is given once
    return document


async def test_who_logs_in_twice_is_one_user_and_the_tokens_are_ours(
    instance: Instance, provider: IdentityProvider
) -> None:
    first = await logged_in(instance, provider, "ada")
    second = await logged_in(instance, provider, "ada")
    assert first["userId"] == second["userId"]
    assert (await logged_in(instance, provider, "bob"))["userId"] != first["userId"]
    bearer = {"Authorization": f"Bearer {first['accessToken']}"}
    async with instance.client.get("/api/me", headers=bearer) as response:
        me = await response.json()
        assert (response.status, me["data"]["userId"]) == (200, first["userId"])
    body = {"refreshToken": first["refreshToken"]}
    async with instance.client.post("/api/auth/refresh", json=body) as response:
        assert response.status == 200
    form = provider.forms[-1]
    assert form["redirect_uri"] == f"{PAGE}/api/login/{NAME}/callback"
    assert form["client_id"] == CLIENT


async def test_nobody_is_logged_in_by_a_link_of_somebody_else(
    instance: Instance, provider: IdentityProvider
) -> None:
    """Log-in CSRF: an attacker's own code and state, in a browser that began nothing, or another
    log-in.
    """
    attacker = Visitor(instance)
    asked = await attacker.begin()
    link = {"code": provider.vouch(asked, "mallory"), "state": asked["state"]}
    before = len(provider.forms)
    assert await Visitor(instance).come_back(**link) == "expired"
    victim = Visitor(instance)
    await victim.begin()
    kept = victim.cookie
    assert await victim.come_back(**link) == "expired"
    assert await victim.come_back(state="") == "expired"
    assert victim.cookie == kept  # what it began goes on
    assert len(provider.forms) == before


async def test_a_code_of_another_log_in_is_no_good(
    instance: Instance, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code injection: by PKCE where the provider looks, by the nonce where it does not."""
    other = await Visitor(instance).begin()
    for checks_pkce in (True, False):
        monkeypatch.setattr(provider, "checks_pkce", checks_pkce)
        visitor = Visitor(instance)
        await visitor.begin()
        assert await visitor.come_back(code=provider.vouch(other)) == "refused"
        assert not visitor.cookie


async def test_an_answer_of_another_provider_is_no_good(
    instance: Instance, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mix-up: `iss` (RFC 9207) names another one, or none where there has to be one; the way back
    is another provider's.
    """
    visitor = Visitor(instance)
    asked = await visitor.begin()
    code = provider.vouch(asked)
    before = len(provider.forms)
    assert await visitor.come_back(name="other", code=code) == "expired"
    assert await visitor.come_back(code=code, iss="https://other.example") == "refused"
    asked = await visitor.begin()
    flow = instance.app[PARTS].page_log_ins.flows[NAME]
    described = {"authorization_response_iss_parameter_supported": True}
    monkeypatch.setattr(flow, "_described", {**(flow._described or {}), **described})
    assert await visitor.come_back(code=provider.vouch(asked)) == "refused"
    assert len(provider.forms) == before
    await visitor.begin()
    good = provider.vouch(visitor.asked)
    assert await visitor.come_back(code=good, iss=provider.issuer) == "done"


async def test_no_request_says_where_browsers_are_sent(
    instance: Instance, provider: IdentityProvider
) -> None:
    """Open redirect, and a forged Host: both the way back and the page are the setting's."""
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil"}
    visitor = Visitor(instance)
    params = {"redirect_uri": "https://evil.example", "next": "//evil.example", "state": "x"}
    asked = await visitor.begin(headers=evil, params=params)
    assert asked["redirect_uri"] == f"{PAGE}/api/login/{NAME}/callback"
    assert asked["state"] != "x"
    back = f"/api/login/{NAME}/callback"
    assert await visitor.get(back, headers=evil, params=params) == f"{PAGE}/#login=expired"
    async with instance.client.get("/api/login/nobody", allow_redirects=False) as response:
        assert response.status == 404


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-program"},
        {"aud": AUDIENCE},
        {"azp": "another-program"},
        {"iss": "https://other.example"},
        {"exp": 1},
        {"nonce": None},
        {"nonce": "x"},
        {"key": SigningKey.make("one")},
        {"without": "nonce"},
    ],
    ids=lambda claims: next(iter(claims)),
)
async def test_an_id_token_that_is_not_for_this_log_in_logs_nobody_in(
    instance: Instance, provider: IdentityProvider, claims: dict[str, Any]
) -> None:
    visitor = Visitor(instance)
    code = provider.vouch(await visitor.begin(), **claims)
    assert await visitor.come_back(code=code) == "refused"
    assert not visitor.cookie


async def test_what_came_back_is_good_once(instance: Instance, provider: IdentityProvider) -> None:
    """A replayed way back, a kept cookie, and one that somebody else made."""
    visitor = Visitor(instance)
    asked = await visitor.begin()
    begun, code = visitor.cookie, provider.vouch(asked)
    assert await visitor.come_back(code=code) == "done"
    done = visitor.cookie
    assert await visitor.come_back(code=code) == "expired"  # the cookie is another one by now
    visitor.cookie = begun
    assert await visitor.come_back(code=code) == "refused"  # the code was used
    visitor.cookie = done
    assert (await visitor.take(json=None, data={"a": "b"}))[0] == 415  # another site's form
    visitor.cookie = done
    assert (await visitor.take())[0] == 200
    visitor.cookie = done
    assert (await visitor.take())[1]["code"] == "invalid_refresh_token"
    # Neither a cookie of the other stage, nor one that another purpose sealed.
    for forged in (begun, Fernet(base64.urlsafe_b64encode(derived(SECRET, "x"))).encrypt(b"{}")):
        visitor.cookie = forged if isinstance(forged, str) else forged.decode()
        assert (await visitor.take())[1]["code"] == "invalid_refresh_token"
        visitor.cookie = ""


async def test_a_log_in_that_took_too_long_is_begun_anew(
    instance: Instance, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor(instance)
    code = provider.vouch(await visitor.begin())
    monkeypatch.setattr(login, "BEGUN_SECONDS", -1)
    assert await visitor.come_back(code=code) == "expired"


async def test_a_parameter_that_is_there_twice_and_a_cookie_beside_ours_are_refused(
    instance: Instance, provider: IdentityProvider
) -> None:
    visitor = Visitor(instance)
    asked = await visitor.begin()
    kept = visitor.cookie
    path = f"/api/login/{NAME}/callback"
    twice = f"{path}?state={asked['state']}&code=x&code={provider.vouch(asked)}"
    assert await visitor.get(twice) == f"{PAGE}/#login=refused"
    visitor.cookie = f"{kept}; {COOKIE}={kept}"
    assert await visitor.come_back(code=provider.vouch(asked)) == "expired"


async def test_an_issuer_that_is_no_ascii_is_not_passed_over(
    instance: Instance, provider: IdentityProvider
) -> None:
    """It is another one, and not none; what is said beside, in any letters, is not read."""
    for query, outcome in (
        ({"iss": "https://\u0456d.example"}, "refused"),
        ({"said": "\u0456"}, "done"),
    ):
        visitor = Visitor(instance)
        code = provider.vouch(await visitor.begin())
        assert await visitor.come_back(code=code, **query) == outcome


async def test_who_may_not_be_here_is_told_so_on_the_page(
    instance: Instance, provider: IdentityProvider, shared_database_url: str
) -> None:
    """Said no by the provider, banned, deleted."""
    visitor = Visitor(instance)
    await visitor.begin()
    assert await visitor.come_back(error="access_denied", error_description="<b>") == "denied"
    eve = (await logged_in(instance, provider, "eve"))["userId"]
    sql(shared_database_url, "UPDATE users SET banned_at = now() WHERE user_id = %s", (eve,))
    asked = await visitor.begin()
    assert await visitor.come_back(code=provider.vouch(asked, "eve")) == "banned"
    assert not visitor.cookie
    dan = (await logged_in(instance, provider, "dan"))["userId"]
    sql(shared_database_url, "DELETE FROM users WHERE user_id = %s", (dan,))
    asked = await visitor.begin()
    assert await visitor.come_back(code=provider.vouch(asked, "dan")) == "unknown"


async def test_who_is_banned_at_this_moment_is_not_logged_in(
    instance: Instance, provider: IdentityProvider, shared_database_url: str
) -> None:
    """Between the first sight and the log-in."""
    owner = {"user_id": (await logged_in(instance, provider, "fay"))["userId"]}
    families = instance.app[PARTS].accounts.families
    with closing(psycopg2.connect(shared_database_url)) as operator:
        operator.cursor().execute(
            "UPDATE users SET banned_at = now() WHERE user_id = %(user_id)s", owner
        )
        opening = asyncio.create_task(families.opened_by("open_family_of", owner))
        waits = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        await eventually(lambda: opening.done() or sql(shared_database_url, waits) != [(0,)])
        operator.commit()
    assert await opening is None


async def test_a_provider_is_asked_seldom_however_many_log_ins_are_begun(
    instance: Instance, provider: IdentityProvider
) -> None:
    """Its description is kept; and one that is away is not asked by every stranger."""
    await Visitor(instance).begin()
    before = provider.described
    for _ in range(5):
        await Visitor(instance).begin()
    assert provider.described == before
    asked, now = [], [0.0]

    async def describe(issuer: str) -> Any:
        asked.append(issuer)
        raise DocumentRefused("away")

    flow = CodeFlow(
        instance.app[PARTS].page_log_ins.flows[NAME].provider,
        "",
        describe=describe,
        clock=lambda: now[0],
    )
    for moment in (0.0, 0.0, 1.0, TRIED_EVERY_SECONDS + 1):
        now[0] = moment
        with pytest.raises(LogInRefused):
            await flow.address(Begun.at(NAME))
    assert len(asked) == 2
