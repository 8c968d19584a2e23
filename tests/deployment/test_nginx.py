"""docker/nginx/nginx.conf in a real nginx, before instances of both roles."""

from __future__ import annotations

import asyncio
import re
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.deployment.balancer import LoadBalancer, balancing, provide_nginx
from tests.deployment.conftest import Start
from tests.deployment.files import ROOT
from tests.eventually import eventually
from tests.game_server import GameServer
from tests.instances import Instance
from tests.world import add_actions, add_users

# An installation may have to come first.
pytestmark = pytest.mark.timeout(240)


Behind = Callable[..., Awaitable[aiohttp.ClientSession]]


@pytest.fixture
async def behind() -> AsyncIterator[Behind]:
    """A client that reaches instances through nginx, and believes its certificate alone."""
    await provide_nginx()
    async with AsyncExitStack() as stack:

        async def put_behind(
            api: list[str], stream: list[str], **options: Any
        ) -> aiohttp.ClientSession:
            _, client = await stack.enter_async_context(balancing(api, stream, **options))
            return client

        yield put_behind


def address(instance: Instance) -> str:
    return urlsplit(instance.url).netloc


async def submitted(client: aiohttp.ClientSession, api: Instance, user: str) -> int:
    """Submit an action through nginx; the answer's status."""
    async with client.post(
        "/api/actions", json={"actionId": "run"}, headers=api.bearer(user)
    ) as answer:
        return answer.status


@pytest.mark.usefixtures("behind")
def test_nginx_takes_the_file() -> None:
    proxy = LoadBalancer(["127.0.0.1:9"], ["127.0.0.1:9"])
    try:
        proxy.prepare()
        judged = subprocess.run([*proxy.command, "-t"], capture_output=True, check=False)
        assert (judged.returncode, re.findall(rb"\[(?:warn|emerg)\].*", judged.stderr)) == (0, [])
    finally:
        proxy.destroy()


@pytest.mark.usefixtures("behind")
def test_nginx_takes_what_the_documentation_advises() -> None:
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    found = re.search(r"^    upstream scoreboard \{\n(?:    .*\n|\n)+", text, re.MULTILINE)
    assert found
    proxy = LoadBalancer(["127.0.0.1:9"], ["127.0.0.1:9"])
    try:
        proxy.prepare()
        pair = "ssl_certificate secrets/nginx/certificate.pem; "
        pair += "ssl_certificate_key secrets/nginx/key.pem;"
        # Ports below 1024 are root's on most machines.
        advised = found[0].replace("http2 on;", "").replace("listen 80;", "listen unix:http;")
        advised = advised.replace("listen 443", f"{pair} listen 127.0.0.1:{proxy.port}")
        temporary = (proxy.directory / "nginx.conf").read_text()
        head = temporary.partition("    # Docker's own name server")[0]
        (proxy.directory / "nginx.conf").write_text(f"{head}\n{advised}\n}}\n")
        judged = subprocess.run(
            [*proxy.command, "-t"], cwd=proxy.directory, capture_output=True, check=False
        )
        assert (judged.returncode, re.findall(rb"\[(?:warn|emerg)\].*", judged.stderr)) == (0, [])
    finally:
        proxy.destroy()


async def test_a_submission_on_an_api_instance_is_seen_on_a_stream_instance(
    start: Start, behind: Behind, database_url: str
) -> None:
    api, other = await start(role="api"), await start(role="stream", heartbeat_seconds=0.2)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    client = await behind([address(api)], [address(other)])
    paths = ("/api/leaderboard/stream", "/api/scoreboard/stream", "/api/boards/main/stream")
    for path in paths:
        async with client.get(path) as response:
            assert response.content_type == "text/event-stream"
            seen = b""
            async with asyncio.timeout(10):
                while b"event: score:update" not in seen or b": heartbeat" not in seen:
                    seen += await response.content.readany()
                # The second time it is refused, and the board shows it from the start.
                assert await submitted(client, api, user) in (200, 400)
                while b'"score":50' not in seen:
                    seen += await response.content.readany()
            assert other.metric("subscribers") == 1
        await eventually(lambda: other.metric("subscribers") == 0)


async def test_what_concerns_a_user_comes_from_a_stream_instance_as_it_happens(
    start: Start, behind: Behind, database_url: str
) -> None:
    api, other = await start(role="api"), await start(role="stream")
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    client = await behind([address(api)], [address(other)])
    async with client.get("/api/me/stream", headers=api.bearer(user)) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        seen = b""
        async with asyncio.timeout(20):
            while b"event: me:place" not in seen:
                seen += await response.content.readany()
            assert await submitted(client, api, user) == 200
            while b"event: me:granted" not in seen:
                seen += await response.content.readany()


async def test_pages_and_the_rest_come_from_api_instances_and_nothing_for_operators(
    start: Start, behind: Behind
) -> None:
    api = await start(role="api")
    client = await behind([address(api)], ["127.0.0.1:9"])
    for path in ("/", "/docs", "/api/leaderboard", "/api/actions", "/api/boards/main/leaderboard"):
        async with client.get(path) as response:
            assert response.status == 200, path
    for path in ("/metrics", "/healthz", "/readyz"):
        async with client.get(path) as response:
            assert response.status == 404
            assert "X-Request-ID" not in response.headers  # nobody of ours was asked


async def test_it_speaks_http_2_to_browsers(behind: Behind) -> None:
    client = await behind(["127.0.0.1:9"], ["127.0.0.1:9"])
    base = urlsplit(str(client._base_url))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection(base.hostname, base.port, ssl=context)
    chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    writer.close()
    assert chosen == "h2"


async def test_who_comes_without_tls_is_sent_to_it(behind: Behind) -> None:
    client = await behind(["127.0.0.1:9"], ["127.0.0.1:9"])
    place = f"{client._base_url}/docs?x=1".removeprefix("https:")
    async with aiohttp.request("GET", f"http:{place}", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (308, f"https:{place}")


async def test_a_submission_that_an_instance_takes_with_it_is_made_elsewhere(
    start: Start, behind: Behind, database_url: str
) -> None:
    """As happens to one that meets an idle connection in the moment in which it is closed."""
    asked = asyncio.Event()

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        writer.close()

    api = await start(role="api")
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 50})
    async with await asyncio.start_server(close, "127.0.0.1", 0) as leaving:
        port = leaving.sockets[0].getsockname()[1]
        client = await behind([f"127.0.0.1:{port}", address(api)], ["127.0.0.1:9"])
        for user in users:  # in turns: one of the two meets the one that leaves
            assert await submitted(client, api, user) == 200
    assert asked.is_set()


async def test_a_request_begins_once_more_when_nobody_was_there(behind: Behind) -> None:
    """By then the names lead elsewhere, or an instance that was set aside is asked again."""
    calls: list[bytes] = []

    async def close_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append((await reader.readuntil(b"\r\n\r\n")).partition(b" HTTP")[0])
        if calls.count(calls[-1]) > 1:
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(close_twice, "127.0.0.1", 0) as server:
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = await behind([place], [place])
        for path in ("/api/me", "/api/leaderboard/stream"):
            async with client.get(path) as response:
                assert response.status == 204
        async with client.post("/api/actions") as response:
            assert response.status == 204
        # But not whatever may have been done already.
        async with client.post("/api/auth/register") as response:
            assert response.status == 502
    assert calls.count(b"POST /api/auth/register") == 1


async def test_a_body_that_is_too_large_is_refused_by_the_service(
    start: Start, behind: Behind, database_url: str
) -> None:
    api = await start(role="api")
    [user] = add_users(database_url, 1)
    client = await behind([address(api)], ["127.0.0.1:9"])
    body = b'{"actionId": "' + b"x" * 20_000 + b'"}'
    headers = {"Content-Type": "application/json", **api.bearer(user)}
    async with client.post("/api/actions", data=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("size", [200_000, 300_000])
async def test_a_batch_of_a_game_server_reaches_the_service_and_one_that_is_too_large_does_too(
    size: int, start: Start, behind: Behind
) -> None:
    api = await start(role="api")
    server = await GameServer.of(api)
    client = await behind([address(api)], ["127.0.0.1:9"])
    for target in ("/api/grants", "/api/results"):
        body = b'{"no": "' + b"x" * size + b'"}'
        headers = server.headers("POST", target, body)
        async with client.post(target, data=body, headers=headers) as answer:
            code = (await answer.json())["code"]
            assert code == ("invalid_payload" if size < 256 * 1024 else "body_too_large")
