"""What a connection can make an instance keep, as long as it likes and without being anybody."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from operator import le
from pathlib import Path

import aiohttp
import pytest

from tests.eventually import eventually
from tests.servers.process import running
from tests.servers.scoreboard import ScoreboardServer

pytestmark = pytest.mark.timeout(120)

CONNECTIONS = 200
# A head of 32 KiB, once as it came and once as text, and what is read ahead. (aiohttp by itself
# keeps 2 MiB.)
KIB_EACH = 256
# Two buffers, each counted twice by the kernel for its own accounts. (By itself it takes 4 MiB.)
KERNEL_KIB_EACH = 256

HOST = b"Host: test\r\n"
LINE = b"X-Filler: " + b"a" * 8_000 + b"\r\n"
JSON = b"POST /api/auth/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
WHOLE = b"GET /healthz HTTP/1.1\r\n" + HOST + LINE * 3 + b"\r\n"
STREAM = b"GET /api/leaderboard/stream HTTP/1.1\r\n" + HOST
HELD = {
    "heads as large as fields allow": b"GET / HTTP/1.1\r\n" + HOST + LINE * 127,
    "heads as large as may be, half sent": b"GET / HTTP/1.1\r\n" + HOST + LINE * 3 + LINE[:7_000],
    "many small fields": b"GET / HTTP/1.1\r\n" + HOST + b"a: b\r\n" * 126,
    "trailers": JSON + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + LINE * 100,
    "chunks with extensions": JSON + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"a" * 500_000,
    "a body that nobody reads": JSON + b"Content-Length: 9999999\r\n\r\n" + b" " * 800_000,
    "requests behind a body": JSON + b"Content-Length: 99\r\n\r\n" + WHOLE * 30,
    "requests behind a stream": STREAM + b"\r\n" + WHOLE * 30,
    "another protocol behind a stream": (
        STREAM + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + bytes(800_000)
    ),
    "answers that nobody reads": b"GET /docs/openapi.json HTTP/1.1\r\n"
    + HOST
    + b"\r\n"
    + WHOLE * 30,
}


@pytest.fixture
async def server(
    database_url: str, redis_url: str, amqp_url: str
) -> AsyncIterator[ScoreboardServer]:
    server = ScoreboardServer(database_url, redis_url, amqp_url)
    async with running(server):
        yield server


async def test_several_hundred_connections_grow_an_instance_by_little(
    server: ScoreboardServer,
) -> None:
    grown = {}
    large = await _largest_file(server.url)
    for name, data in {**HELD, "a large file that nobody reads": large}.items():
        before = server.itself.memory_info().rss
        with held(server.port, data) as sending:
            await eventually(lambda: _send(sending))
            await eventually(server.is_ready)  # and all that came before was answered
            taken = server.itself.memory_info().rss - before, _in_kernel(server.port)
            grown[name] = [each / CONNECTIONS / 1024 for each in taken]
    most = KIB_EACH, KERNEL_KIB_EACH
    assert {name: kib for name, kib in grown.items() if not all(map(le, kib, most))} == {}
    assert server.is_ready()


async def _largest_file(url: str) -> bytes:
    """A request for the script of the page of the API: 1.5 MB."""
    async with aiohttp.ClientSession(url) as client, client.get("/docs") as response:
        path = re.findall(r'"(/docs/[^"]+bundle.js)"', await response.text())[0]
    return f"GET {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n"


@contextmanager
def held(port: int, data: bytes) -> Iterator[list[tuple[socket.socket, bytearray]]]:
    """Connections, each with what it has to send yet. None of them reads."""
    with ExitStack() as stack:
        sending = []
        for _ in range(CONNECTIONS):
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect(("127.0.0.1", port))
            one.setblocking(False)
            sending.append((one, bytearray(data)))
        yield sending


def _in_kernel(port: int) -> int:
    """Bytes that the kernel holds for this port, both ways; 0 where it does not say."""
    table = Path("/proc/net/tcp")
    lines = table.read_text().splitlines()[1:] if table.exists() else []
    fields = [line.split() for line in lines]
    at_port = [each for each in fields if int(each[1].partition(":")[2], 16) == port]
    return sum(int(queue, 16) for each in at_port for queue in each[4].split(":"))


def _send(sending: Sequence[tuple[socket.socket, bytearray]]) -> bool:
    """Send as much as is taken; true once nothing is, for all is sent, refused or stuck."""
    sent = 0
    for one, left in sending:
        try:
            taken = one.send(left[:100_000]) if left else 0
        except BlockingIOError:
            continue
        except OSError:  # refused: the connection was closed
            left.clear()
            continue
        del left[:taken]
        sent += taken
    return sent == 0
