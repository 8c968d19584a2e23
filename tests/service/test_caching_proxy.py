"""Our cache headers against a real cache: nginx with proxy_cache in front."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from scoreboard.model import BoardId
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance
from tests.servers.installation import NGINX, ProgramsMissingError, provide
from tests.servers.process import running
from tests.servers.proxies import NginxProxy
from tests.service.conftest import Start
from tests.world import add_actions, add_board, add_users, sql

# An installation may have to come first.
pytestmark = pytest.mark.timeout(240)

# A line of a final board.
CORRECTED = (
    '[{"userId": "6f1ad5c2-9f0e-4a55-8d0c-3f6a3c1f6a7e", "username": "ada", "score": 9,'
    ' "reachedAt": "2026-01-01T00:00:00.000000Z"}]'
)


class CachingProxy(NginxProxy):
    """nginx, with a cache that keeps what our headers allow and not one second longer."""

    before = "proxy_cache_path {directory}/cache keys_zone=scoreboard:1m;"
    location = """
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_cache scoreboard;
proxy_cache_revalidate on;
add_header X-Cache $upstream_cache_status always;
"""


Behind = Callable[[Instance], Awaitable[aiohttp.ClientSession]]


@pytest.fixture
async def behind() -> AsyncIterator[Behind]:
    """A client that reaches an instance through nginx."""
    try:
        await asyncio.to_thread(provide, [NGINX])
    except ProgramsMissingError:
        pytest.skip("needs nginx: apt-get install nginx, or brew install nginx")
    async with AsyncExitStack() as stack:

        async def put_behind(instance: Instance) -> aiohttp.ClientSession:
            proxy = await stack.enter_async_context(running(CachingProxy(instance.url)))
            return await stack.enter_async_context(aiohttp.ClientSession(proxy.url))

        yield put_behind


async def ask(
    client: aiohttp.ClientSession, path: str, **kwargs: Any
) -> tuple[str, aiohttp.ClientResponse, bytes]:
    """How the cache came by the answer, and the answer."""
    async with client.request(kwargs.pop("method", "GET"), path, **kwargs) as response:
        return response.headers.get("X-Cache", "-"), response, await response.read()


async def test_the_board_is_cached_for_as_long_as_s_maxage_says_and_then_revalidated(
    instance: Instance, behind: Behind, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    client = await behind(instance)
    await ask(client, "/api/leaderboard")
    answers = [await ask(client, "/api/leaderboard") for _ in range(20)]
    assert sum(how == "HIT" for how, _, _ in answers) >= 15

    async def is_revalidated() -> bool:
        return (await ask(client, "/api/leaderboard"))[0] == "REVALIDATED"

    await eventually(is_revalidated, every_seconds=0.3)  # past the second, unchanged: a 304 inside

    await instance.submit(user, "run")

    async def shows_the_score() -> bool:
        _, _, body = await ask(client, "/api/leaderboard")
        return b'"score":50' in body

    # s-maxage is 1, and nginx counts in whole seconds.
    await eventually(shows_the_score, within_seconds=2.5)


async def test_a_client_with_the_version_gets_304_from_the_cache(
    instance: Instance, behind: Behind
) -> None:
    client = await behind(instance)
    _, response, _ = await ask(client, "/api/leaderboard")
    known = {"If-None-Match": response.headers["ETag"]}
    how, response, body = await ask(client, "/api/leaderboard", headers=known)
    assert (response.status, body) == (304, b"")
    assert how in ("HIT", "EXPIRED", "REVALIDATED")


async def test_a_closed_board_is_never_kept(
    start: Start, behind: Behind, database_url: str
) -> None:
    instance = await start(require_token_to_read=True)
    [user] = add_users(database_url, 1)
    client = await behind(instance)
    for _ in range(2):
        how, response, _ = await ask(client, "/api/leaderboard", headers=instance.bearer(user))
        assert (how, response.status) == ("MISS", 200)
    how, response, _ = await ask(client, "/api/leaderboard")
    assert response.status == 403
    how, response, _ = await ask(client, "/api/leaderboard", headers=instance.bearer(user))
    assert (how, response.status) == ("MISS", 200)


async def test_a_final_season_is_kept_for_a_moment_and_what_is_for_members_for_nobody(
    instance: Instance, behind: Behind, database_url: str
) -> None:
    """A final board that was corrected is soon another one behind a cache too. Members see more of
    the list.
    """
    now, day = datetime.now(UTC), timedelta(days=1)
    seasons = ((now - 2 * day, now - day), (now - day, now + day))
    for board_id, visibility in (("weekly", "public"), ("members", "token")):
        add_board(database_url, board_id, *seasons, period="dates", visibility=visibility)
    await instance.app[PARTS].ledger.turn()
    [user] = add_users(database_url, 1)
    member = instance.bearer(user)
    client = await behind(instance)
    final = "/api/boards/{}/leaderboard?season=1"
    await eventually(lambda: instance.app[PARTS].boards.knows(BoardId("members")))

    first, again = [await ask(client, final.format("weekly")) for _ in range(2)]
    assert (first[0], again[0], first[2]) == ("MISS", "HIT", again[2])

    sql(database_url, f"UPDATE seasons SET final = '{CORRECTED}' WHERE state = 'final'")

    async def is_corrected() -> bool:
        return b'"ada"' in (await ask(client, final.format("weekly")))[2]

    await eventually(is_corrected)
    how, _, body = await ask(
        client, "/api/boards/weekly/leaderboard"
    )  # another season, another key
    assert how == "MISS"
    assert b'"number":2' in body

    for path in (final.format("members"), "/api/boards/members/leaderboard"):
        for _ in range(2):
            how, response, _ = await ask(client, path, headers=member)
            assert (how, response.status) == ("MISS", 200)
        assert (await ask(client, path))[1].status == 403

    lists = [await ask(client, "/api/boards", headers=h) for h in ({}, member, {}, member)]
    assert [b"members" in body for _, _, body in lists] == [False, True, False, True]
    assert [how for how, _, _ in lists[1::2]] == ["MISS", "MISS"]


async def test_files_are_kept_in_each_encoding(instance: Instance, behind: Behind) -> None:
    client = await behind(instance)
    _, _, page = await ask(client, "/")
    paths = set(re.findall(r'"\./(assets/[^"]+)"', page.decode()))
    assert paths
    for path in paths:
        for coding in ("gzip", "identity"):
            headers = {"Accept-Encoding": coding}
            first = await ask(client, f"/{path}", headers=headers)
            again = await ask(client, f"/{path}", headers=headers)
            assert (first[0], again[0]) == ("MISS", "HIT")
            assert first[2] == again[2]
            assert (again[1].headers.get("Content-Encoding") == "gzip") == (coding == "gzip")


async def test_no_condition_of_one_client_is_in_what_others_get(
    instance: Instance, behind: Behind
) -> None:
    client = await behind(instance)
    _, _, page = await ask(client, "/docs")
    for path in set(re.findall(r'"(/docs/swagger-ui-[^"]+)"', page.decode())):
        for fields in (
            {"Range": "bytes=999999999-"},
            {"If-Match": '"other"'},
            {"Range": "bytes=0-1", "If-Range": '"other"'},
            {"If-None-Match": "*"},
        ):
            await ask(client, path, headers=fields)
            _, response, body = await ask(client, path)
            assert response.status == 200
            assert len(body) == int(response.headers["Content-Length"]) > 100


async def test_each_site_gets_its_own_answer_though_it_is_first_asked_for_by_head(
    start: Start, behind: Behind, database_url: str
) -> None:
    add_actions(database_url, {"run": 50})
    sites = ("https://one.example", "https://two.example")
    client = await behind(await start(allowed_origins=sites))
    for method in ("HEAD", "GET", "HEAD", "GET"):
        for origin in (*sites, None):
            headers = {"Origin": origin} if origin else {}
            _, response, _ = await ask(client, "/api/actions", method=method, headers=headers)
            assert response.headers["Vary"] == "Origin"
            assert response.headers.get("Access-Control-Allow-Origin") == origin


async def test_the_page_itself_is_asked_for_each_time(instance: Instance, behind: Behind) -> None:
    client = await behind(instance)
    for _ in range(3):
        assert (await ask(client, "/"))[0] == "MISS"


async def test_the_catalogue_is_kept_for_everybody(
    instance: Instance, behind: Behind, database_url: str
) -> None:
    add_actions(database_url, {"run": 50})
    client = await behind(instance)
    assert (await ask(client, "/api/actions"))[0] == "MISS"
    assert (await ask(client, "/api/actions"))[0] == "HIT"
    assert (await ask(client, "/api/actions?limit=5"))[0] == "MISS"


async def test_what_belongs_to_one_user_is_never_kept(
    instance: Instance, behind: Behind, database_url: str
) -> None:
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"run": 50})
    client = await behind(instance)
    for user in (ada, ada, bob):
        how, response, body = await ask(client, "/api/me", headers=instance.bearer(user))
        assert (how, response.status) == ("MISS", 200)
        assert user.encode() in body
    registration = {"username": "eve", "email": "eve@example.org", "password": "correct horse"}
    tokens = set()
    for path in ("register", "login", "login"):
        how, response, body = await ask(
            client, f"/api/auth/{path}", method="POST", json=registration
        )
        assert how in ("-", "MISS")
        assert response.headers["Cache-Control"] == "no-store"
        tokens.add(body)
    assert len(tokens) == 3
    for path in ("/healthz", "/readyz", "/metrics", "/nowhere"):
        assert [(await ask(client, path))[0] for _ in range(2)] == ["MISS", "MISS"]


async def test_the_stream_passes_at_once_and_whole(
    start: Start, behind: Behind, database_url: str
) -> None:
    instance = await start(heartbeat_seconds=0.2)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    client = await behind(instance)
    for _ in range(2):  # the second one would come from a cache, if it were kept
        async with client.get("/api/leaderboard/stream") as response:
            assert response.headers["X-Cache"] == "MISS"
            seen = b""
            async with asyncio.timeout(15):
                while b"event: score:update" not in seen or b": heartbeat" not in seen:
                    seen += await response.content.readany()
                await instance.submit(user, "run")
                while b'"score":50' not in seen:
                    seen += await response.content.readany()
