"""What strangers may send to docker/nginx/nginx.conf, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
import pytest

from scoreboard.configuration.sources import load
from tests.deployment.balancer import LoadBalancer, balancing, provide_nginx
from tests.deployment.conftest import Start
from tests.deployment.files import DOCKER
from tests.deployment.test_nginx import address
from tests.eventually import eventually

# An installation may have to come first.
pytestmark = pytest.mark.timeout(240)

NOBODY: Final = ["127.0.0.1:9"]


@pytest.fixture(autouse=True)
async def with_nginx() -> None:
    await provide_nginx()


Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


async def nothing(_: bytes, writer: asyncio.StreamWriter) -> None:
    """Answer 204, and that others may keep it."""
    writer.write(b"HTTP/1.1 204 No Content\r\nCache-Control: public, max-age=60\r\n\r\n")


@asynccontextmanager
async def upstream(answer: Answer = nothing) -> AsyncIterator[tuple[list[str], list[bytes]]]:
    """In the place of an instance: where it is, and the heads that it got."""
    heads: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            await answer(heads[-1], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # a request that nginx gave up
        finally:
            writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0, limit=1 << 20) as server:
        yield [f"127.0.0.1:{server.sockets[0].getsockname()[1]}"], heads


async def exchange(proxy: LoadBalancer, *lines: str, tls: bool = True) -> tuple[int, list[str]]:
    """Send these lines as a head, and read the status and the lines of the answer's head."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1",
        proxy.port,
        ssl=proxy.trust() if tls else None,
        server_hostname="localhost" if tls else None,
    )
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    async with asyncio.timeout(10):
        status, *head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    writer.close()
    return int(status.split()[1]), [line for line in head if line]


# Who they say they are

WRITTEN: Final = [
    "X-Forwarded-For: 192.0.2.1",
    "X-Forwarded-For: 192.0.2.2, 192.0.2.3",
    "X_Forwarded_For: 192.0.2.4",
    *(f"{name}: 192.0.2.5" for name in ("X-Real-IP", "X-Client-IP", "True-Client-IP")),
    "CF-Connecting-IP: 192.0.2.6",
    "Forwarded: for=192.0.2.7;host=written.example",
    *(f"X-Forwarded-{name}: written" for name in ("Host", "Port", "Prefix", "Proto", "Server")),
    "X-Original-URL: /written",
    "X-Rewrite-URL: /written",
    "X-HTTP-Method-Override: WRITTEN",
    "Proxy: http://written.example",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "TraceParent: 00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate: written=1",
    "baggage: written=1",
    "Connection: X-Forwarded-For, keep-alive",
]


async def test_an_instance_is_told_nothing_that_a_stranger_wrote_of_himself() -> None:
    async with upstream() as (place, heads), balancing(place, place) as (proxy, _):
        for path in ("/api/me", "/api/leaderboard/stream", "/api/actions"):
            first = f"GET {path} HTTP/1.1"
            assert (await exchange(proxy, first, "Host: scores.example.org", *WRITTEN))[0] == 204
    assert len(heads) == 3
    for head in heads:
        _, *lines = head.decode().splitlines()
        assert sorted(filter(None, lines)) == [
            "Host: scores.example.org",
            "X-Forwarded-For: 127.0.0.1",
            "X-Forwarded-Proto: https",
        ]


# What they may hold

IN_FRONT: Final = {
    # As a proxy in front of it is believed; here the test is that proxy, with any address.
    "    #     set_real_ip_from 192.0.2.7;": "set_real_ip_from 127.0.0.1;",
    "    #     real_ip_header X-Forwarded-For;": "real_ip_header X-Forwarded-For;",
    "    #     real_ip_recursive on;": "real_ip_recursive on;",
}
FEW: Final = IN_FRONT | {"limit_conn clients 100": "limit_conn clients 2"}


class Holder:
    """Requests that are not answered until the end of the test."""

    def __init__(self, client: aiohttp.ClientSession, heads: list[bytes]) -> None:
        self._client = client
        self._heads = heads
        self._tasks: list[asyncio.Task[int]] = []

    async def hold(self, client: str) -> None:
        """Hold one more request of this address."""
        before = len(self._heads)
        self._tasks.append(asyncio.create_task(self.status(client, "/api/leaderboard/stream")))
        await eventually(lambda: len(self._heads) > before, message=f"{client} is let in")

    async def status(self, client: str, path: str = "/api/me") -> int:
        headers = {"X-Forwarded-For": client}
        async with self._client.get(path, headers=headers) as answer:
            return answer.status

    def let_go(self) -> None:
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def holding(changed: dict[str, str]) -> AsyncIterator[Holder]:
    ended = asyncio.Event()

    async def wait(head: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/stream" in head:
            await ended.wait()
        await nothing(head, writer)

    async with (
        upstream(wait) as (place, heads),
        balancing(place, place, changed=changed) as (_, client),
    ):
        holder = Holder(client, heads)
        try:
            yield holder
        finally:
            holder.let_go()
            ended.set()


async def test_an_address_holds_so_many_requests_and_a_customer_of_ipv6_is_one() -> None:
    async with holding(FEW) as requests:
        for client in ("192.0.2.1", "192.0.2.1", "2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6"):
            await requests.hold(client)
        for full in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8:1:2:ffff::", "2001:db8:1:2::"):
            assert await requests.status(full) == 429, full
        for other in ("192.0.2.2", "::ffff:192.0.2.3", "2001:db8:1:3::1", "2001:db8::1:2:0:0"):
            assert await requests.status(other) == 204, other


async def test_all_networks_of_a_household_and_of_a_site_together_hold_no_more_than_some() -> None:
    changed = FEW | {"limit_conn households 400": "limit_conn households 3"}
    changed |= {"limit_conn sites 1600": "limit_conn sites 5"}
    async with holding(changed) as requests:
        for network in range(3):
            await requests.hold(f"2001:db8:1:{network:x}::1")
        assert await requests.status("2001:db8:1:ff::1") == 429
        for network in (0x100, 0x200):
            await requests.hold(f"2001:db8:1:{network:x}::1")
        assert await requests.status("2001:db8:1:ffff::1") == 429
        assert await requests.status("2001:db8:2::1") == 204
        for n in range(6):  # IPv4 has neither
            await requests.hold(f"192.0.2.{n}")
            await requests.hold(f"::ffff:198.51.100.{n}")


async def test_networks_have_the_quotas_that_the_service_gives_them() -> None:
    text = (DOCKER / "nginx" / "nginx.conf").read_text("utf-8")
    found = dict(re.findall(r"limit_conn (\w+) (\d+);", text))
    one = int(found["clients"])
    assert found == {"clients": f"{one}", "households": f"{4 * one}", "sites": f"{16 * one}"}
    assert one > load({}).streams_per_ip


async def test_who_holds_too_much_is_told_in_our_form_and_no_cache_keeps_it() -> None:
    async with holding({"limit_conn clients 100": "limit_conn clients 1"}) as requests:
        await requests.hold("192.0.2.1")
        async with requests._client.get("/api/me") as answer:
            document = json.loads(await answer.text())
            assert (answer.status, document["success"]) == (429, False)
            assert document["code"] == "rate_limited"
            assert answer.content_type == "application/json"
            assert answer.headers["Retry-After"] == "1"
            assert answer.headers["Cache-Control"] == "no-store"


async def test_a_head_that_does_not_come_is_not_waited_for() -> None:
    changed = {"client_header_timeout 15s": "client_header_timeout 1s"}
    async with balancing(NOBODY, NOBODY, changed=changed) as (proxy, _):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", proxy.port, ssl=proxy.trust(), server_hostname="localhost"
        )
        writer.write(b"GET / HTTP/1.1\r\nHost: local")
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()


async def test_a_head_is_bounded_and_an_instance_takes_what_is_let_through(start: Start) -> None:
    api = await start(role="api")
    ask = ("GET /api/leaderboard HTTP/1.1", "Host: localhost")
    async with balancing([address(api)], NOBODY) as (proxy, _):
        largest = [f"X-Filler-{n}: {'x' * 7000}" for n in range(3)]
        assert (await exchange(proxy, *ask, *largest))[0] == 200
    # Before one that takes anything, so that it is nginx who refuses.
    async with upstream() as (place, heads), balancing(place, place) as (proxy, _):
        assert (await exchange(proxy, *ask, *largest))[0] == 204
        assert (await exchange(proxy, *ask, f"X-Filler: {'x' * 8200}"))[0] == 400
        assert (await exchange(proxy, *ask, *largest, *largest))[0] == 400
        assert (await exchange(proxy, *ask, *(f"X-{n}: x" for n in range(4000))))[0] == 400
    assert len(heads) == 1


async def test_a_path_has_an_end() -> None:
    async with upstream() as (place, heads), balancing(place, place) as (proxy, client):
        for length, status in ((2048, 204), (2049, 414), (8100, 414), (9000, 414)):
            for first, more in (("/api/actions?after=", "x"), ("/", "/"), ("/", "%2e")):
                path = (first + more * length)[:length]
                head = await exchange(proxy, f"GET {path} HTTP/1.1", "Host: localhost")
                assert head[0] == status or (more == "%2e" and head[0] == 400), (first, length)
        async with client.get("/api/leaderboard/stream", params={"x": "y" * 3000}) as answer:
            assert answer.status == 414
        assert answer.headers["Cache-Control"] == "no-store"
    assert len(heads) <= 3


async def test_a_body_waits_in_no_file_and_makes_no_line(start: Start) -> None:
    api = await start(role="api")
    async with balancing([address(api)], NOBODY) as (proxy, client):
        async with client.post("/api/auth/login", json={"x": "x" * 60_000}) as answer:
            assert answer.status == 413
        assert "temporary file" not in (proxy.directory / "error.log").read_text()


async def test_an_answer_that_nobody_takes_waits_in_no_file() -> None:
    """It stays at the instance, but for what buffers of nginx and the kernel hold."""
    sent = 0

    async def much(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while sent < 1000:
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 1

    async def goes_no_further() -> bool:
        before = sent
        await asyncio.sleep(0.3)
        return 0 < sent == before

    async with upstream(much) as (place, _), balancing(place, place) as (proxy, _):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", proxy.port, ssl=proxy.trust(), server_hostname="localhost", limit=1
        )
        writer.write(b"GET /docs/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.read(100)
        await eventually(goes_no_further)
        assert sent < 1000
        writer.transport.abort()


# Where they are sent

UNKNOWN: Final = (
    "evil.example",
    "evil.example:8443",
    "localhost.evil.example",
    "evil.example.localhost",
    "localhost:8443@evil.example",
    "localhost:1@evil.example:2",
    "localhost\\.evil.example",
    "scoreboard.localhost.evil.example",
    "",
)


async def redirect(proxy: LoadBalancer, *lines: str) -> tuple[int, str]:
    status, head = await exchange(proxy, *lines, tls=False)
    places = [line for line in head if line.lower().startswith("location:")]
    return status, places[0].partition(": ")[2] if places else ""


async def test_nobody_is_sent_to_a_name_that_is_not_ours() -> None:
    async with balancing(NOBODY, NOBODY) as (proxy, _):
        for host in UNKNOWN:
            for first in ("GET /docs?x=1 HTTP/1.1", "GET //evil.example/ HTTP/1.1"):
                _, place = await redirect(proxy, first, f"Host: {host}")
                # Where the name before is ours, what follows it is not repeated.
                assert place.startswith(("https://localhost/", "https://localhost:2/")) or not place
        whole = ("GET http://evil.example/docs HTTP/1.1", "Host: localhost")
        assert await redirect(proxy, *whole) == (400, "")
        twice = ("GET / HTTP/1.1", "Host: localhost", "Host: evil.example")
        assert "evil" not in (await redirect(proxy, *twice))[1]


async def test_who_comes_under_a_name_that_is_ours_is_sent_to_it_by_tls() -> None:
    variables = {"PUBLIC_NAME": "scores.example.org"}
    async with balancing(NOBODY, NOBODY, variables=variables) as (proxy, _):
        for host in ("scores.example.org", "SCORES.example.org:8443", "localhost:1", "[::1]:8443"):
            status, place = await redirect(proxy, "POST /api/me?x=1 HTTP/1.1", f"Host: {host}")
            assert (status, place) == (308, f"https://{host.lower()}/api/me?x=1")
        for host in ("scores.example.com", "xscores.example.org", "scoresxexample.org"):
            assert await redirect(proxy, "GET / HTTP/1.1", f"Host: {host}") == (400, "")
    async with balancing(NOBODY, NOBODY, variables={"PUBLIC_NAME": "Localhost"}) as (proxy, _):
        found = await redirect(proxy, "GET / HTTP/1.1", "Host: localhost:8443")
        assert found == (308, "https://localhost:8443/")


# What they are told


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ("0", None),
        ("", None),
        ("31536000", "max-age=31536000"),
        ("1; includeSubDomains", None),
    ],
)
async def test_browsers_are_told_to_come_by_tls_where_that_is_set(
    seconds: str, said: str | None
) -> None:
    variables = {"HSTS_SECONDS": seconds}
    async with (
        upstream() as (place, _),
        balancing(place, place, variables=variables) as (
            proxy,
            client,
        ),
    ):
        for path in ("/api/me", "/api/leaderboard/stream", "/api/actions", "/metrics"):
            async with client.get(path) as answer:
                assert answer.headers.get("Strict-Transport-Security") == said, path
        # Said without TLS it would be anybody's word (RFC 6797, 7.2).
        _, head = await exchange(proxy, "GET / HTTP/1.1", "Host: localhost", tls=False)
        assert not [line for line in head if line.lower().startswith("strict-transport")]


async def test_what_nginx_says_itself_is_kept_by_nobody_and_what_others_say_as_they_say() -> None:
    async with upstream() as (place, _), balancing(place, NOBODY) as (proxy, client):
        for path, status in (("/metrics", 404), (f"/{'x' * 3000}", 414)):
            async with client.get(path) as answer:
                assert (answer.status, answer.headers["Cache-Control"]) == (status, "no-store")
        _, head = await exchange(proxy, "GET / HTTP/1.1", "Host: localhost", tls=False)
        assert "Cache-Control: no-store" in head
        async with client.get("/api/me") as answer:
            assert answer.headers.getall("Cache-Control") == ["public, max-age=60"]
        async with client.get("/api/leaderboard/stream") as answer:
            assert (answer.status, answer.headers["Cache-Control"]) == (502, "no-store")


HEAD: Final = " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
REFUSED: Final = {
    f"GET /{'x' * 3000}{HEAD}\r\n": (414, "malformed_request"),
    f"GET /{'x' * 9000}{HEAD}\r\n": (414, "malformed_request"),
    f"GET /api/me{HEAD}X: {'x' * 9000}\r\n\r\n": (400, "malformed_request"),
    f"G T /api/me{HEAD}\r\n": (400, "malformed_request"),
    "GET / HTTP/1.1\r\nConnection: close\r\n\r\n": (400, "malformed_request"),
    "GET / HTTP/3.1\r\nHost: localhost\r\n\r\n": (505, "malformed_request"),
    f"GET /api/..%2f..{HEAD}\r\n": (400, "malformed_request"),
    f"TRACE /api/actions{HEAD}\r\n": (405, "method_not_allowed"),
    f"GET /metrics{HEAD}\r\n": (404, "not_found"),
    f"GET /refusal{HEAD}\r\n": (404, "not_found"),
    f"POST /api/me{HEAD}Content-Length: 99999\r\n\r\n": (413, "body_too_large"),
    f"POST /api/actions{HEAD}Content-Length: 99999\r\n\r\n": (413, "body_too_large"),
    f"POST /api/me{HEAD}Transfer-Encoding: x\r\n\r\n": (501, "malformed_request"),
    f"POST /api/me{HEAD}Transfer-Encoding: chunked\r\n\r\nx\r\n": (400, "malformed_request"),
    f"GET /api/me{HEAD}\r\n": (502, "unavailable"),
    f"POST /api/me{HEAD}Content-Length: 0\r\n\r\n": (502, "unavailable"),
    f"POST /api/actions{HEAD}Content-Length: 0\r\n\r\n": (502, "unavailable"),
    f"GET /api/leaderboard/stream{HEAD}\r\n": (502, "unavailable"),
}


async def test_what_nginx_refuses_itself_has_the_form_of_what_instances_refuse() -> None:
    async with balancing(NOBODY, NOBODY) as (proxy, _):
        for sent, expected in REFUSED.items():
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", proxy.port, ssl=proxy.trust(), server_hostname="localhost"
            )
            writer.write(sent.encode())
            async with asyncio.timeout(20):
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                [length] = re.findall(rb"content-length: (\d+)", head)
                document = json.loads(await reader.readexactly(int(length)))
            writer.close()
            assert (int(head.split()[1]), document["code"]) == expected, sent[:60]
            assert (document["success"], document.keys()) == (False, {"success", "message", "code"})
            assert set(head.split(b"\r\n")) >= {
                b"content-type: application/json",
                b"x-content-type-options: nosniff",
                b"cache-control: no-store",
                b"server: nginx",
            }


SPELLINGS: Final = (
    "//{}",
    "/./{}",
    "/x/../{}",
    "/x/..%2f{}",
    "/%2e/{}",
    "/{}/",
    "/{}/.",
    "/{};x",
    "/{}%00",
    "/{}?x",
    "/{}#x",
    "/%2f{}",
    "/{}%2f",
    "/{}%20",
    "/x%2f..%2f{}",
    "/%252e%252e/{}",
)


def spelt(word: str) -> Sequence[str]:
    first = f"%{ord(word[0]):02x}{word[1:]}"
    names = (word, word.upper(), first, f"%25{first[1:]}")
    return [path.format(name) for name in names for path in SPELLINGS]


async def test_no_spelling_of_a_path_shows_what_is_for_those_who_run_it(start: Start) -> None:
    api = await start(role="api")
    async with balancing([address(api)], [address(api)]) as (proxy, _):
        for path in ("/metrics", "/healthz", "/readyz", *spelt("metrics")):
            status, _ = await exchange(proxy, f"GET {path} HTTP/1.1", "Host: localhost")
            assert status in (400, 404), path
    assert api.metric("http_requests_total", method="GET", route="/metrics", status="200") == 0


# What is not asked twice


async def test_what_may_have_been_done_is_not_asked_for_again() -> None:
    """But for a submission whose connection broke: it counts once."""

    async def hang_up(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with upstream(hang_up) as (place, heads), balancing(place, place) as (_, client):
        for path, times in (("/api/auth/register", 1), ("/api/auth/refresh", 1)):
            for method in ("POST", "PATCH"):
                before = len(heads)
                async with client.request(method, path, json={}) as answer:
                    assert answer.status == 502
                    assert (await answer.json())["code"] == "unavailable"
                assert len(heads) - before == times, (method, path)
        before = len(heads)
        async with client.post("/api/actions", json={}) as answer:
            assert answer.status == 502
        assert len(heads) - before == 2


async def test_what_is_only_late_is_not_asked_for_again() -> None:
    async def take_time(_: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    changed = {"proxy_read_timeout 30s;": "proxy_read_timeout 300ms;"}
    async with (
        upstream(take_time) as (place, heads),
        balancing([*place, *place], place, changed=changed) as (_, client),
    ):
        for path in ("/api/actions", "/api/auth/register"):
            before = len(heads)
            async with client.post(path, json={}) as answer:
                assert answer.status == 502
            assert len(heads) - before == 1, path


async def test_what_reached_nobody_is_asked_for_elsewhere() -> None:
    async with upstream() as (place, heads), balancing([*NOBODY, *place], NOBODY) as (_, client):
        for _ in range(2):  # in turns: one of the two meets nobody
            async with client.post("/api/auth/register", json={}) as answer:
                assert answer.status == 204
    assert len(heads) == 2
