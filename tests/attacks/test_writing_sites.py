"""Pages of other sites that want to write: those that the settings name, and all others."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from scoreboard.api.http.needs import uses_by_path
from tests.attacks.conftest import Start
from tests.instances import Instance
from tests.world import add_actions, add_users, grants, sql

APP = "https://app.example"
GUEST = "https://guest.example"
STRANGER = "https://stranger.example"
USER = "00000000-0000-4000-8000-000000000000"
PASSWORD = "a password for this test"
ACCOUNT = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
FIELDS = "authorization,content-type,if-none-match,traceparent,last-event-id,cache-control"
# What each path may be used for, by whom: every path that any other site may use.
READS = {
    "/api/leaderboard": "GET, HEAD",
    "/api/leaderboard/stream": "GET",
    "/api/scoreboard/stream": "GET",
    "/api/boards": "GET, HEAD",
    "/api/boards/main": "GET, HEAD",
    "/api/boards/main/seasons": "GET, HEAD",
    "/api/boards/main/leaderboard": "GET, HEAD",
    "/api/boards/main/entries": "GET, HEAD",
    f"/api/boards/main/users/{USER}": "GET, HEAD",
    "/api/boards/main/stream": "GET",
}
WRITES = {
    "/api/actions": "GET, HEAD, POST",
    "/api/auth/register": "POST",
    "/api/auth/login": "POST",
    "/api/auth/refresh": "POST",
    "/api/auth/logout": "POST",
    "/api/auth/logout-all": "POST",
    "/api/auth/password": "POST",
    "/api/auth/email": "POST",
    "/api/me": "DELETE, GET, HEAD",
    "/api/me/export": "GET",
    "/api/me/stream": "GET",
    "/api/me/grants": "GET, HEAD",
    "/api/me/follows": "GET, HEAD",
    f"/api/me/follows/{USER}": "DELETE, PUT",
    "/api/boards/main/me": "GET, HEAD",
}
# What no page of another site may use: the log-in by cookie, servers' routes, probes, pages.
CLOSED = {
    "/api/login": "POST",
    "/api/login/acme": "GET",
    "/api/login/acme/callback": "GET",
    "/api/grants": "POST",
    "/api/results": "POST",
    "/api/moderation": "POST",
    "/api/audit": "GET",
    f"/api/users/{USER}": "PUT",
    "/api/boards/main/close": "POST",
    "/healthz": "GET",
    "/metrics": "GET",
    "/": "GET",
    "/docs/openapi.json": "GET",
    "/api/nothing": "POST",
}
# What a browser sends without asking first, by a form, a beacon or fetch in the mode `no-cors`.
UNASKED = (
    "text/plain",
    "text/plain;charset=UTF-8",
    "text/plain;application/json",
    "text/plain, application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=application/json",
    "",
)


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


@pytest.fixture
def database_url(shared_database_url: str) -> str:
    return shared_database_url


async def preflight(
    instance: Instance, path: str, method: str, origin: str = APP, fields: str = FIELDS
) -> dict[str, str]:
    """What a browser is told that asks whether a page of `origin` may do this."""
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    if fields:
        headers["Access-Control-Request-Headers"] = fields
    async with instance.client.options(path, headers=headers) as response:
        return about_origins(response)


def about_origins(response: Any) -> dict[str, str]:
    """The header fields by which a browser judges."""
    headers = response.headers.items()
    return {name: value for name, value in headers if name.startswith("Access-Control-")}


# Those that are named.


async def test_a_named_site_is_told_exactly_what_it_may_do(start: Start) -> None:
    instance = await start(allowed_write_origins=[APP])
    for path, methods in {**READS, **WRITES}.items():
        for method in methods.split(", "):
            assert await preflight(instance, path, method) == {
                "Access-Control-Allow-Origin": APP,
                "Access-Control-Allow-Methods": methods,
                "Access-Control-Allow-Headers": (
                    "Content-Type, Authorization, If-None-Match, traceparent, Last-Event-ID, "
                    "Cache-Control"
                ),
                "Access-Control-Max-Age": "7200",
            }, (method, path)


async def test_a_preflight_for_anything_else_is_told_nothing(start: Start) -> None:
    instance = await start(allowed_origins=[GUEST], allowed_write_origins=[APP])
    for path, methods in CLOSED.items():
        assert await preflight(instance, path, methods) == {}, path
    for path, methods in {**READS, **WRITES}.items():
        first = methods.split(", ")[0]
        for other in ("PATCH", "OPTIONS", "TRACE", "", "*", first.lower(), f"{first}, PATCH"):
            assert await preflight(instance, path, other) == {}, (other, path)
        for field in ("X-Signature", "webhook-id", "Cookie", "*", "Authorization;q=1"):
            assert await preflight(instance, path, first, fields=field) == {}, (field, path)
            assert await preflight(instance, path, first, fields=f"{FIELDS},{field}") == {}
        for origin in (STRANGER, "null", "*", f"{APP}.stranger.example", "http://app.example"):
            assert await preflight(instance, path, first, origin) == {}, (origin, path)
    for path, method in (("/api/actions", "POST"), ("/api/me", "GET"), ("/api/me", "DELETE")):
        assert await preflight(instance, path, method, GUEST) == {}, path


async def test_every_route_of_users_is_for_sites_that_may_write(instance: Instance) -> None:
    """The table above has each path, so that a new one is thought about."""
    open_to = {
        path: {needs.other_sites for needs in uses.values()} - {"none"}
        for path, uses in uses_by_path(instance.app).items()
    }
    named = {resolved(instance.app, path) for path in (*READS, *WRITES)}
    assert {path for path, sites in open_to.items() if sites} == named
    for path in WRITES:
        assert "writes" in open_to[resolved(instance.app, path)], path
    for path in READS:
        assert open_to[resolved(instance.app, path)] == {"reads"}, path


def resolved(app: web.Application, path: str) -> str:
    """The path of the route that takes this one."""
    for resource in app.router.resources():
        found = resource.get_info().get("pattern")
        if resource.canonical == path or (found is not None and found.fullmatch(path)):
            return str(resource.canonical)
    raise AssertionError(f"no route takes {path}")


async def test_whoever_may_only_read_may_do_no_more_beside_those_who_write(start: Start) -> None:
    for readers in ([GUEST], ["*"]):
        instance = await start(allowed_origins=readers, allowed_write_origins=[APP])
        for path, methods in READS.items():
            found = await preflight(instance, path, "GET", GUEST, "authorization")
            assert found["Access-Control-Allow-Methods"] == methods
            assert await preflight(instance, path, "GET", GUEST, "content-type") == {}
            assert await preflight(instance, path, "GET", APP)
        found = await preflight(instance, "/api/actions", "GET", GUEST, "authorization")
        assert found["Access-Control-Allow-Methods"] == "GET, HEAD"
        assert "Content-Type" not in found["Access-Control-Allow-Headers"]
        found = await preflight(instance, "/api/actions", "POST", APP)
        assert found["Access-Control-Allow-Origin"] == APP
        for path in WRITES:
            for method in ("POST", "PUT", "DELETE"):
                assert await preflight(instance, path, method, GUEST) == {}, path


async def test_answers_and_refusals_are_for_the_site_that_asked(
    start: Start, database_url: str
) -> None:
    """A cache keeps one for each; the page of the site can read why it was refused."""
    instance = await start(allowed_origins=["*"], allowed_write_origins=[APP])
    [user] = add_users(database_url, 1)
    cases: tuple[tuple[str, str, dict[str, str], int], ...] = (
        ("GET", "/api/me", instance.bearer(user), 200),
        ("GET", "/api/me", {}, 403),
        ("POST", "/api/auth/login", {}, 415),
        ("POST", "/api/actions", instance.bearer(user), 415),
    )
    for method, path, token, status in cases:
        for origin in (APP, GUEST, None):
            headers = token | ({"Origin": origin} if origin else {})
            async with instance.client.request(method, path, headers=headers) as response:
                assert response.status == status
                assert "Origin" in response.headers["Vary"]
                told = response.headers.get("Access-Control-Allow-Origin")
                assert told == (APP if origin == APP else None), (origin, path)


async def test_no_site_is_allowed_credentials_nor_a_private_network(start: Start) -> None:
    """A log-in by cookie is for our own page; a page of the internet asks its visitor."""
    instance = await start(allowed_origins=[GUEST], allowed_write_origins=[APP])
    asked = {
        "Origin": APP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Private-Network": "true",
    }
    for path in (*READS, *WRITES, *CLOSED):
        async with instance.client.options(path, headers=asked) as response:
            told = about_origins(response)
        assert "Access-Control-Allow-Credentials" not in told
        assert "Access-Control-Allow-Private-Network" not in told


# All others: what they can send without a preflight changes nothing.


@pytest.mark.parametrize("sites", [[], [APP]], ids=["no site named", "another site named"])
async def test_what_a_page_can_send_unasked_does_nothing(
    start: Start, database_url: str, sites: list[str]
) -> None:
    """It comes from the browser of whoever is logged in here, with whatever cookies are there. (No
    page can add a token without being asked for: even with one, nothing of this is read.)
    """
    instance = await start(allowed_write_origins=sites)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    posts = sorted(
        path
        for path, uses in uses_by_path(instance.app).items()
        if "POST" in uses and "{" not in path
    )
    assert len(posts) > 8
    before = world(database_url)
    for path in posts:
        for kind in UNASKED:
            for token in ({}, {"Authorization": f"Bearer {instance.token(user)}"}):
                if path == "/api/auth/logout-all" and token:
                    continue  # it has no body: the token's own field is what browsers ask about
                headers = {"Content-Type": kind, "Origin": STRANGER, "Cookie": "a=b"} | token
                body = b'{"actionId": "run", "username": "eve", "password": "a long password"}'
                async with instance.client.post(path, data=body, headers=headers) as response:
                    assert response.status in (401, 403, 415), (path, kind, response.status)
                    assert about_origins(response) == {}
    assert world(database_url) == before


def world(database_url: str) -> list[Any]:
    """All that a page could have changed."""
    counted = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM refresh_families)"
    return [grants(database_url), *sql(database_url, counted)]
