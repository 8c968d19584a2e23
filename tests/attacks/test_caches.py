"""A shared cache hands one client's answer to others: nothing of the client may be in it, and
nothing that a client writes may change it without being part of the cache's key.
"""

from __future__ import annotations

import pytest

from tests.attacks.conftest import Start
from tests.instances import Instance
from tests.world import add_actions, add_users

SHARED = (
    "/api/leaderboard",
    "/api/actions",
    "/api/boards/main",
    "/api/boards/main/seasons",
    "/api/boards/main/leaderboard",
    "/api/boards/main/entries",
    "/",
    "/docs",
    "/docs/openapi.json",
)
# About one user, as of now: nobody on the way keeps it.
OWN = ("/api/boards/main/me", "/api/me/follows")
OF_A_USER = ("/api/boards/main/users/00000000-0000-4000-8000-000000000000",)
# What poisoners write into requests (none of it is part of a cache's key).
UNKEYED = {
    "X-Request-ID": "poisoned",
    "X-Forwarded-Host": "poisoned.example",
    "X-Forwarded-Proto": "poisoned",
    "X-Forwarded-Port": "6666",
    "X-Forwarded-Prefix": "/poisoned",
    "X-Original-URL": "/poisoned",
    "X-Rewrite-URL": "/poisoned",
    "X-HTTP-Method-Override": "POISONED",
    "Forwarded": "host=poisoned.example",
    "Origin": "https://poisoned.example",
    "Referer": "https://poisoned.example/",
    "User-Agent": "poisoned",
    "Cookie": "poisoned=poisoned",
    "Accept": "text/poisoned",
    "Accept-Language": "poisoned",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "Range": "bytes=0-1",
}
# aiohttp writes it when the answer is made.
AT_THE_TIME = {"Date"}


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


@pytest.fixture
def database_url(shared_database_url: str) -> str:
    return shared_database_url


@pytest.mark.parametrize("host", ["", "poisoned.example", "poisoned.example:6666"])
async def test_nothing_that_a_client_writes_is_in_what_others_get(
    instance: Instance, host: str
) -> None:
    for path in SHARED:
        async with instance.client.get(path) as response:
            clean = response.status, dict(response.headers), await response.read()
        headers = UNKEYED | ({"Host": host} if host else {})
        async with instance.client.get(path, headers=headers) as response:
            poisoned = response.status, dict(response.headers), await response.read()
        assert clean[1].keys() == poisoned[1].keys(), path
        for headers in (clean[1], poisoned[1]):
            for name in AT_THE_TIME:
                headers.pop(name)
        assert poisoned == clean, path
        assert "poisoned" not in str(poisoned), path


async def test_one_clients_limit_is_not_told_to_others(start: Start) -> None:
    instance = await start(rate_limit_per_ip="2/hour")
    for _ in range(2):
        async with instance.client.get("/api/leaderboard") as response:
            assert not [name for name in response.headers if name.startswith("RateLimit")]
    async with instance.client.get("/api/leaderboard") as response:
        assert response.status == 429
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["RateLimit-Remaining"] == "0"


async def test_what_depends_on_a_token_is_kept_by_no_shared_cache(
    start: Start, database_url: str
) -> None:
    closed = await start(require_token_to_read=True)
    [user] = add_users(database_url, 1)
    for headers in ({}, closed.bearer(user), {"Authorization": "Bearer x"}):
        for path in (*SHARED[:1], *SHARED[2:6], "/api/boards", "/api/me", *OWN, *OF_A_USER):
            async with closed.client.get(path, headers=headers) as response:
                assert "public" not in response.headers["Cache-Control"], path
                assert "s-maxage" not in response.headers["Cache-Control"], path


async def test_a_token_changes_nothing_about_what_is_shared(
    instance: Instance, database_url: str
) -> None:
    """Else the answer to a token, kept, would be given to those who have none."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    for path in SHARED:
        answers = []
        for headers in ({}, instance.bearer(user), {"Authorization": "Bearer x"}):
            async with instance.client.get(path, headers=headers) as response:
                answers.append((response.status, await response.read()))
        assert answers[0] == answers[1] == answers[2], path


async def test_refusals_and_failures_are_kept_by_nobody(instance: Instance) -> None:
    """A refusal that a cache kept would be everybody's (CPDoS)."""
    oversized = {"X-Filler": "a" * 9000}
    for path, headers in (
        ("/nothing", {}),
        ("/api/me", {}),
        ("/api/actions?limit=x", {}),
        ("/api/boards/nope", {}),
        ("/api/boards/main/leaderboard?season=7", {}),
        ("/api/boards/main/leaderboard?season=x", {}),
        ("/api/leaderboard", oversized),
        ("/", oversized),
    ):
        async with instance.client.get(path, headers=headers) as response:
            assert response.status >= 400, path
            assert response.headers["Cache-Control"] == "no-store", path


async def test_a_path_with_an_innocent_ending_is_not_another_way_to_private_data(
    instance: Instance, database_url: str
) -> None:
    """Web cache deception: caches keep `.css` whatever the answer says."""
    [user] = add_users(database_url, 1)
    for path in ("/api/me/x.css", "/api/me;x.css", "/api/me%2Fx.css", "/api/me%00x.css"):
        async with instance.client.get(path, headers=instance.bearer(user)) as response:
            assert response.status == 404, path
