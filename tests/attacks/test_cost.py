"""What a stranger sends costs as much processor time as its length, whatever stands in it, and is
refused for as little as it takes to count it.

Times are compared with those of plain requests of the same size, sent in between, on the same
instance. (The clients are in the same process and cost the same for both.)
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import jwt
import pytest
import redis.asyncio

from scoreboard.operations import metrics
from tests.attacks.conftest import Start
from tests.attacks.fields import read_by_anybody
from tests.attacks.wire import connected
from tests.instances import Instance
from tests.world import add_users

# A parser that takes ten times as long for twice the length takes hundreds of times as long for
# these; what is linear stays within two or three, and a busy machine within this.
TIMES = 8
TRIES = 6
FIELD_BYTES = 8_100
LINES = 4  # of one field, together the largest head that is accepted

FILLERS = (
    ";", ",", "(", '"', "\\", "=", "%", "/", "9", "a", "é", "a,", "a=b;", ";q=0,", "W/", '"a",',
    "::", "xn--", " a", "a@", "a.", "bytes=1-,",
)  # fmt: skip
BEGINNINGS = {
    "Authorization": "Bearer ",
    "Content-Type": "application/json;",
    "Content-Encoding": "gzip",
    "Cookie": "a=",
    "Expect": "100-continue",
    "Forwarded": "for=",
    "If-None-Match": '"',
    "Range": "bytes=",
    "Traceparent": "00-",
    "X-Forwarded-For": "127.0.0.1,",
}
# Each reads other fields.
PATHS = (
    "GET /api/leaderboard",
    "GET /api/me",
    "GET /api/actions",
    "GET /",
    "GET /docs/openapi.json",
    "POST /api/auth/refresh",
)
READ_BY_ONE = {
    "POST /api/auth/refresh": ("Content-Type", "Content-Encoding", "Content-Length"),
    "GET /api/leaderboard": ("If-None-Match", "If-Match"),
    "GET /api/actions": ("If-None-Match", "If-Match", "Origin"),
    "GET /docs/openapi.json": ("If-None-Match", "If-Match", "Range", "If-Range"),
    "GET /": ("Accept-Encoding", "If-None-Match"),
    "GET /api/me": ("Authorization", "Traceparent"),
}
BODY = b'{"refreshToken": "x"}'


def request(first: str, fields: str = "", body: bytes = b"") -> bytes:
    about_body = "Content-Type: application/json\r\n" if "Content-Type" not in fields else ""
    if first.startswith("POST"):
        body = body or BODY
        about_body += f"Content-Length: {len(body)}\r\n" if "Content-Length" not in fields else ""
        fields = about_body + fields
    return f"{first} HTTP/1.1\r\nHost: test\r\n{fields}\r\n".encode() + body


class Stopwatch:
    """Sends requests and takes the processor time of each."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._plain: dict[bytes, float] = {}

    async def seconds(self, data: bytes) -> float:
        """From sending it to its answer, on a connection that was used before."""
        async with connected(self.instance) as wire:
            for sent in (request("GET /healthz"), data):
                began = time.process_time()
                await wire.send(sent)
                await wire.reply()
        return time.process_time() - began

    async def is_slow(self, data: bytes, plain: bytes) -> bool:
        """Whether it takes too much longer than the plain one, however often that is tried."""
        for _ in range(TRIES):
            if plain not in self._plain:  # the least of three: the first one meets much for once
                self._plain[plain] = min([await self.seconds(plain) for _ in range(3)])
            if await self.seconds(data) < TIMES * self._plain[plain]:
                return False
            del self._plain[plain]
        return True


def plain(first: str, size: int) -> bytes:
    """A request of this size whose fields nobody reads."""
    whole, rest = divmod(min(size, LINES * FIELD_BYTES - 400), FIELD_BYTES)
    lengths = [*[FIELD_BYTES] * whole, max(20, rest)]
    return request(first, "".join(f"X-Filler: {'a' * (length - 12)}\r\n" for length in lengths))


def attacks(name: str) -> Iterator[str]:
    """The field, as long as it may be, filled with one thing or another."""
    beginning = BEGINNINGS.get(name, "")
    for filler in FILLERS:
        value = (beginning + filler * FIELD_BYTES).encode()[: FIELD_BYTES - len(name) - 4]
        line = f"{name}: {value.decode(errors='ignore')}\r\n"
        yield line
        if filler in (";", ",", "a,"):
            yield line * (LINES - 1) + line[: FIELD_BYTES - 400] + "\r\n"


@pytest.fixture
async def stopwatch(start: Start) -> Stopwatch:
    return Stopwatch(
        await start(trusted_proxies=["127.0.0.1"], allowed_origins=["https://example.org"])
    )


async def test_no_header_field_takes_longer_to_read_than_it_is_long(stopwatch: Stopwatch) -> None:
    slow = []
    for name in read_by_anybody():
        reading = [path for path in PATHS if name in READ_BY_ONE.get(path, ())]
        for n, fields in enumerate(attacks(name)):
            # Fields that every path meets are sent to another one each time.
            for first in reading or [PATHS[n % len(PATHS)]]:
                data = request(first, fields)
                if await stopwatch.is_slow(data, plain(first, len(data))):
                    slow.append(data[:80])
    assert slow == []


LONG = 8_000
TARGETS = {
    "slashes": "/" * LONG,
    "slashes behind a route": "/api/actions" + "/" * LONG,
    "many short segments": "/a" * (LONG // 2),
    "dots": "/.." * (LONG // 3),
    "percent-encoded slashes": "/%2f" * (LONG // 4),
    "percent-encoded letters": "/api/" + "%61" * (LONG // 3),
    "percent signs": "/" + "%" * LONG,
    "bytes that are no UTF-8": "/" + "%ff" * (LONG // 3),
    "a long name of an asset": "/assets/" + "a" * LONG,
    "many parameters": "/api/actions?" + "&" * LONG,
    "many named parameters": "/api/actions?" + "a=1&" * (LONG // 4),
    "one parameter many times": "/api/actions?" + "limit=1&" * (LONG // 8),
    "percent-encoded parameters": "/api/actions?after=" + "%61" * (LONG // 3),
    "semicolons in the query": "/api/actions?" + ";" * LONG,
    "commas between ids": "/api/boards/main/entries?users=" + "," * 4_000,
    "ids of users": "/api/boards/main/entries?users=" + "a," * 2_000,
    "an id without an end": "/api/boards/main/entries?users=" + "0" * 4_000,
    "an id of a user": f"/api/boards/main/users/{'0-' * (LONG // 2)}",
    "plus signs": "/api/actions?after=" + "+" * LONG,
    "digits": "/api/actions?limit=" + "9" * LONG,
    "a host of one label": "http://" + "a" * LONG + "/healthz",
    "a host in punycode": "http://xn--" + "a" * LONG + "/healthz",
    "a host of many labels": "http://" + "a." * (LONG // 2) + "/healthz",
    "a host with a user": "http://" + "a@" * (LONG // 2) + "x/healthz",
    "a host with a port": "http://x:" + "9" * LONG + "/healthz",
}  # fmt: skip


async def test_no_target_takes_longer_to_read_than_it_is_long(stopwatch: Stopwatch) -> None:
    slow = []
    for name, target in TARGETS.items():
        data = request(f"GET {target}")
        if await stopwatch.is_slow(data, plain("GET /api/nothing", len(data))):
            slow.append(name)
    assert slow == []


KIBIBYTES = 15 * 1024
BODIES = {
    "nested arrays": b'{"username": ' + b"[" * KIBIBYTES,
    "nested objects": b'{"a":' * (KIBIBYTES // 5),
    "digits": b'{"username": ' + b"9" * KIBIBYTES + b"}",
    "a fraction": b'{"username": 0.' + b"9" * KIBIBYTES + b"}",
    "one member many times": b"{" + b'"username":1,' * (KIBIBYTES // 13) + b'"a":1}',
    "many members": b"{" + b",".join(b'"%x":1' % n for n in range(1500)) + b"}",
    "escapes": b'{"username": "' + rb"\u0041" * (KIBIBYTES // 6) + b'"}',
    "a name of many letters": b'{"username": "' + b"a" * KIBIBYTES + b'"}',
    "a name of combining marks": b'{"username": "a' + "\u0301".encode() * (KIBIBYTES // 2) + b'"}',
    "a mailbox of many parts": b'{"email": "' + b"a." * (KIBIBYTES // 2) + b'@x.org"}',
    "a domain of many labels": b'{"email": "a@' + b"a." * (KIBIBYTES // 2) + b'org"}',
    "a domain of one label": b'{"email": "a@' + b"a" * KIBIBYTES + b'.org"}',
    "a domain in punycode": b'{"email": "a@xn--' + b"a" * KIBIBYTES + b'.org"}',
    "a domain of other letters": b'{"email": "a@' + "é".encode() * (KIBIBYTES // 2) + b'.org"}',
    "a quoted mailbox": b'{"email": "\\"' + b"a\\\\" * (KIBIBYTES // 3) + b'@x.org"}',
    "many mailboxes": b'{"email": "' + b"a@" * (KIBIBYTES // 2) + b'"}',
}


async def test_no_body_takes_longer_to_read_than_it_is_long(stopwatch: Stopwatch) -> None:
    """A body is read once its sender was counted, but then as a whole."""
    first = "POST /api/auth/register"
    ordinary = request(first, body=b'{"ignored": "' + b"a" * KIBIBYTES + b'"}')
    slow = []
    for name, body in BODIES.items():
        if await stopwatch.is_slow(request(first, body=body), ordinary):
            slow.append(name)
    assert slow == []


# Past a limit


async def test_what_nobody_signed_is_not_parsed_whether_its_address_is_refused_or_not(
    start: Start, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parsing a token that is new or bad takes longer than all else that a refusal takes."""
    instance = await start(rate_limit_per_ip="2/hour")
    parsed: list[str] = []
    decode = jwt.decode_complete

    def counting(token: str, *arguments: Any, **options: Any) -> Any:
        parsed.append(token)
        return decode(token, *arguments, **options)

    monkeypatch.setattr(jwt, "decode_complete", counting)
    [user] = add_users(database_url, 1)
    good = instance.token(user)
    forged = [good[:-n] + "A" * n for n in range(8, 16)]
    assert await _statuses(instance, [*forged, good]) == [403] * 2 + [429] * 6 + [200]
    assert parsed == [good]


async def test_redis_is_not_asked_for_an_address_that_is_refused(
    start: Start, redis_url: str
) -> None:
    instance = await start(rate_limit_per_ip="2/hour")
    async with redis.asyncio.Redis.from_url(redis_url) as admin:

        async def scripts_run() -> int:
            return int((await admin.info("commandstats"))["cmdstat_evalsha"]["calls"])

        assert await _statuses(instance, [""] * 3) == [403, 403, 429]
        before = await scripts_run()
        assert await _statuses(instance, [""] * 100) == [429] * 100
        assert await scripts_run() - before < 50  # those of others than this address
    assert instance.metric("rate_limited_total", limit="ip") == 101


async def test_metrics_are_not_written_anew_for_each_who_asks(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes as long as ten reads of the board, and the limit of probes lets 600 through."""
    instance = await start()
    written = []

    def write(registry: object) -> bytes:
        written.append(registry)
        return b"# nothing\n"

    monkeypatch.setattr(metrics, "generate_latest", write)
    began = time.monotonic()
    for _ in range(100):
        async with instance.client.get("/metrics") as response:
            assert response.status == 200
    assert 0 < len(written) <= 22 + (time.monotonic() - began) / 0.2


async def _statuses(instance: Instance, tokens: Sequence[str]) -> list[int]:
    found = []
    for token in tokens:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with instance.client.get("/api/me", headers=headers) as response:
            found.append(response.status)
    return found
