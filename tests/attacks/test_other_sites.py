"""A page of another site, in the browser of somebody who is logged in here (CSRF, CORS)."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.attacks.conftest import Start
from tests.instances import Instance
from tests.world import add_users

GUEST = "https://guest.example"
STRANGER = "https://stranger.example"
PUBLIC = (
    "/api/leaderboard",
    "/api/actions",
    "/api/leaderboard/stream",
    "/api/scoreboard/stream",
    "/api/boards",
    "/api/boards/main",
    "/api/boards/main/seasons",
    "/api/boards/main/leaderboard",
    "/api/boards/main/entries",
    "/api/boards/main/users/00000000-0000-4000-8000-000000000000",
    "/api/boards/main/stream",
)
OWN = (
    "/api/me",
    "/api/me/export",
    "/api/me/follows",
    "/api/me/stream",
    "/api/boards/main/me",
)
PASSWORD = "a password for this test"


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


@pytest.fixture
def database_url(shared_database_url: str) -> str:
    return shared_database_url


async def headers_of(
    instance: Instance, path: str, origin: str = GUEST, method: str = "GET", **kwargs: Any
) -> dict[str, str]:
    """The header fields about origins. OPTIONS asks whether a page may GET."""
    headers = {"Origin": origin} | kwargs.pop("headers", {})
    if method == "OPTIONS":
        headers.setdefault("Access-Control-Request-Method", "GET")
    async with instance.client.request(method, path, headers=headers, **kwargs) as response:
        return {
            name: value
            for name, value in response.headers.items()
            if name.startswith("Access-Control") or name == "Vary"
        }


def reads(headers: dict[str, str], origin: str = GUEST) -> bool:
    """Whether a browser lets a page of this origin read the answer."""
    return headers.get("Access-Control-Allow-Origin") in ("*", origin)


# CSRF: nothing that a browser sends on its own speaks for anybody.


async def test_no_answer_sets_a_cookie(instance: Instance) -> None:
    account = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    for method, path, body in (
        ("POST", "/api/auth/register", account),
        ("POST", "/api/auth/login", account),
        ("GET", "/", None),
        ("GET", "/docs", None),
        ("GET", "/api/leaderboard", None),
    ):
        async with instance.client.request(method, path, json=body) as response:
            assert response.ok
            assert "Set-Cookie" not in response.headers


async def test_a_token_counts_only_in_its_header(instance: Instance, database_url: str) -> None:
    [user] = add_users(database_url, 1)
    token = instance.token(user)
    places: list[dict[str, Any]] = [
        {"cookies": {"Authorization": f"Bearer {token}", "token": token, "accessToken": token}},
        {"params": {"access_token": token, "token": token}},
        {"headers": {"X-Access-Token": token, "Proxy-Authorization": f"Bearer {token}"}},
        {"headers": {"Authorization": aiohttp.encode_basic_auth("Bearer", token)}},
    ]
    for place in places:
        async with instance.client.get("/api/me", **place) as response:
            assert response.status == 403, place


# CORS: who may read.


async def test_by_default_no_page_of_another_site_reads_anything(instance: Instance) -> None:
    for path in (*PUBLIC[:2], *OWN, "/docs/openapi.json", "/metrics", "/nothing"):
        assert not reads(await headers_of(instance, path)), path
        assert not reads(await headers_of(instance, path, method="OPTIONS")), path


async def test_pages_of_an_allowed_origin_read_what_is_public_and_nothing_else(
    start: Start, database_url: str
) -> None:
    instance = await start(allowed_origins=[GUEST], rate_limit_per_user="1/hour")
    [user] = add_users(database_url, 1)
    for path in PUBLIC:
        found = await headers_of(instance, path)
        assert reads(found), path
        assert found["Access-Control-Expose-Headers"] == "Age, Date, ETag, Retry-After"
        assert reads(await headers_of(instance, path, method="OPTIONS")), path
    private = (*OWN, "/api/auth/login", "/metrics", "/readyz", "/docs/openapi.json", "/")
    for path in private:
        assert not reads(await headers_of(instance, path, headers=instance.bearer(user))), path
        assert not reads(await headers_of(instance, path, method="OPTIONS")), path
    assert not reads(await headers_of(instance, "/api/actions", method="POST", json={}))
    # Credentials are never allowed, so that a browser hides any answer to a request with some.
    for path in (*PUBLIC, *private):
        assert "Access-Control-Allow-Credentials" not in await headers_of(instance, path)


async def test_a_page_may_send_what_clients_of_streams_send_and_nothing_else(
    start: Start,
) -> None:
    """A browser that hears no to one field sends nothing at all. Once it may send one to an address
    it also sends it there with POST, so the type of JSON is not among them.
    """
    instance = await start(allowed_origins=[GUEST])
    for path in PUBLIC:
        found = await headers_of(instance, path, method="OPTIONS")
        allowed = {
            name.strip().lower() for name in found["Access-Control-Allow-Headers"].split(",")
        }
        assert allowed == {
            "authorization",
            "if-none-match",
            "traceparent",
            "last-event-id",
            "cache-control",
        }


async def test_refusals_can_be_read_where_answers_can(start: Start) -> None:
    """The client has to see that it is limited, and for how long."""
    instance = await start(allowed_origins=[GUEST], rate_limit_per_ip="1/hour")
    await headers_of(instance, "/api/leaderboard")
    assert reads(await headers_of(instance, "/api/leaderboard"))


async def test_an_origin_that_only_looks_like_an_allowed_one_reads_nothing(start: Start) -> None:
    instance = await start(allowed_origins=[GUEST])
    for origin in (
        STRANGER,
        "null",
        "",
        "*",
        "http://guest.example",
        "https://guest.example.stranger.example",
        "https://stranger.example/https://guest.example",
        "https://guest.example:8443",
        "https://sub.guest.example",
        "https://guest.example/",
        "HTTPS://GUEST.EXAMPLE",
        f"{GUEST}, {STRANGER}",
    ):
        found = await headers_of(instance, "/api/leaderboard", origin)
        assert "Access-Control-Allow-Origin" not in found, origin


async def test_a_cache_keeps_an_answer_per_origin(start: Start) -> None:
    """Else the answer to one origin, kept, would keep another out, or let it in."""
    instance = await start(allowed_origins=[GUEST])
    for origin in (GUEST, STRANGER):
        for method in ("GET", "OPTIONS"):
            assert (
                "Origin" in (await headers_of(instance, "/api/leaderboard", origin, method))["Vary"]
            )
    open_to_all = await start(allowed_origins=["*"])
    assert await headers_of(open_to_all, "/api/leaderboard", STRANGER) == await headers_of(
        open_to_all, "/api/leaderboard", GUEST
    )


# Streams are what a page can hold open in many browsers at once.


async def test_one_user_cannot_hold_streams_without_end_from_ever_new_addresses(
    start: Start, database_url: str
) -> None:
    settings = {"require_token_to_read": True, "streams_per_user": 3}
    one = await start(trusted_proxies=["127.0.0.1"], **settings)
    two = await start(trusted_proxies=["127.0.0.1"], **settings)
    ada, bob = add_users(database_url, 2)

    async def open_from(n: int, instance: Instance, user: str) -> int:
        headers = instance.bearer(user) | {"X-Forwarded-For": f"10.0.0.{n}"}
        response = await instance.client.get("/api/leaderboard/stream", headers=headers)
        opened.append(response)
        return response.status

    opened: list[aiohttp.ClientResponse] = []
    found = [await open_from(n, (one, two)[n % 2], ada) for n in range(5)]
    assert found == [200] * 3 + [429] * 2
    assert await open_from(9, one, bob) == 200
    assert (
        one.metric("streams_refused_total", reason="user")
        + two.metric("streams_refused_total", reason="user")
        == 2
    )
    for response in opened:
        response.close()
    await asyncio.sleep(0)
