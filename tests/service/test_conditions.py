"""Conditions and ranges, as RFC 9110 has them, on whatever has a tag."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

import aiohttp
import pytest

from tests.attacks.wire import Reply, connected
from tests.eventually import eventually
from tests.instances import Instance
from tests.service.conftest import Start
from tests.world import add_actions

DATA = (
    "/api/leaderboard",
    "/api/actions",
    "/api/boards",
    "/api/boards/main",
    "/api/boards/main/seasons",
    "/api/boards/main/leaderboard",
    "/docs/openapi.json",
)
PAGES = ("/", "/docs")
FOR_GOOD = "public, max-age=31536000, immutable"
LONG_AGO, FAR_AHEAD = "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


@pytest.fixture
def database_url(shared_database_url: str) -> str:
    return shared_database_url


async def ask(instance: Instance, path: str, *fields: str, method: str = "GET") -> Reply:
    """Send a request of these fields, each on a line of its own."""
    lines = (f"{method} {path} HTTP/1.1", "Host: test", *fields, "", "")
    async with connected(instance) as wire:
        await wire.send("\r\n".join(lines).encode("latin-1"))
        if method != "HEAD":
            return await wire.reply()
        head = await wire.reader.readuntil(b"\r\n\r\n")
    first, *rest = head.decode().splitlines()
    found = dict(line.split(": ", 1) for line in rest if line)
    return Reply(int(first.split()[1]), {name.lower(): text for name, text in found.items()}, b"")


async def files(instance: Instance) -> Sequence[str]:
    """A file of the page, the client, and the files of the documentation: the large one too."""
    page, docs = await ask(instance, "/"), await ask(instance, "/docs")
    [script, *_] = re.findall(r'src="\./(assets/[^"]+)"', page.body.decode())
    of_docs = re.findall(r'"(/docs/swagger-ui-[^"]+)"', docs.body.decode())
    assert len(of_docs) >= 4
    return [f"/{script}", "/client/v1/scoreboard-client.js", *sorted(set(of_docs))]


async def everything(instance: Instance) -> Sequence[str]:
    return [*DATA, *PAGES, *await files(instance)]


@pytest.fixture(autouse=True)
def with_a_catalogue(database_url: str) -> None:
    add_actions(database_url, {"run": 50})


async def test_everything_that_may_be_kept_has_a_strong_tag(instance: Instance) -> None:
    for path in await everything(instance):
        whole = await ask(instance, path)
        assert re.fullmatch(r'"[\w.-]+"', whole.headers["etag"]), path
        head = await ask(instance, path, method="HEAD")
        differ = {"date", "keep-alive", "connection"}
        assert {k: v for k, v in head.headers.items() if k not in differ} == {
            k: v for k, v in whole.headers.items() if k not in differ
        }, path


def spellings(tag: str) -> list[tuple[str, ...]]:
    """Ways of saying that one has it; each is the lines of a request."""
    value = tag.strip('"')
    return [
        (f"If-None-Match: {tag}",),
        (f"If-None-Match: W/{tag}",),
        ("If-None-Match: *",),
        ("If-None-Match:  * ",),
        # What proxies make of a tag as they compress.
        (f'If-None-Match: "{value}-gzip"',),
        (f'If-None-Match: "{value};gzip"',),
        (f'If-None-Match: W/"{value}-gzip"',),
        (f'If-None-Match: "{value}--gzip"',),
        (f'If-None-Match: "{value}-br"',),
        # Lists: in one line and in two, with what the grammar allows between.
        (f'If-None-Match: "other", {tag}',),
        (f'If-None-Match: , "a,b" ,\t W/"other",,{tag} ,',),
        ('If-None-Match: "other"', f"If-None-Match: {tag}"),
        (f"If-None-Match: {tag}", 'if-none-match: "other"'),
        # A date does not count beside it, and does not count at all here.
        (f"If-None-Match: {tag}", f"If-Modified-Since: {LONG_AGO}"),
        (f"If-None-Match: {tag}", "Range: bytes=0-1"),
        (f"If-None-Match: {tag}", "Range: bytes=999999999-"),
        (f"If-Match: {tag}", f"If-None-Match: {tag}"),
    ]


async def test_who_has_it_is_told_so_however_that_is_said(instance: Instance) -> None:
    for path in await everything(instance):
        whole = await ask(instance, path)
        kept = ("etag", "cache-control", "vary", "content-security-policy")
        for fields in spellings(whole.headers["etag"]):
            for method in ("GET", "HEAD"):
                answer = await ask(instance, path, *fields, method=method)
                assert (answer.status, answer.body) == (304, b""), (path, fields)
                for name in kept:
                    assert answer.headers.get(name) == whole.headers.get(name), (path, name)
                assert "content-encoding" not in answer.headers


OTHERS = [
    'If-None-Match: "other"',
    "If-None-Match: ",
    "If-None-Match: ,,,",
    'If-None-Match: "',
    "If-None-Match: {value}",
    'If-None-Match: "{value}',
    'If-None-Match: {value}"',
    'If-None-Match: "other", "{value}',
    'If-None-Match: "x{value}"',
    'If-None-Match: "{value}x"',
    'If-None-Match: "{value}-"',
    'If-None-Match: "{value}-gzip-gzip"',
    "If-None-Match: '{value}'",
    'If-None-Match: "*"',
    'If-None-Match: *, "other"',
    "If-None-Match: **",
    'If-None-Match: W/"',
    'If-None-Match: "\xff\xfe"',
    f"If-Modified-Since: {FAR_AHEAD}",
    f"If-Unmodified-Since: {LONG_AGO}",
    "If-Unmodified-Since: nonsense",
    "If-Match: *",
    'If-Match: "other", "{value}"',
    'If-Match: "{value}-gzip"',
]


async def test_who_has_something_else_gets_it_whole(instance: Instance) -> None:
    for path in ("/api/leaderboard", "/api/actions", "/docs/openapi.json", "/"):
        whole = await ask(instance, path)
        value = whole.headers["etag"][1:-1]
        for field in OTHERS:
            answer = await ask(instance, path, field.replace("{value}", value))
            assert (answer.status, answer.body) == (200, whole.body), (path, field)
            assert answer.headers["etag"] == whole.headers["etag"]


WANTED: list[tuple[str, ...]] = [
    ('If-Match: "other"',),
    ('If-Match: W/"{value}"',),
    ("If-Match: {value}",),
    ('If-Match: "{value}',),
    ('If-Match: "other"', "If-None-Match: *"),
    ('If-Match: "other"', "Range: bytes=0-1"),
]


async def test_who_wants_another_one_is_refused_and_no_cache_keeps_that(
    instance: Instance,
) -> None:
    for path in await everything(instance):
        value = (await ask(instance, path)).headers["etag"][1:-1]
        for lines in WANTED:
            answer = await ask(instance, path, *(line.replace("{value}", value) for line in lines))
            assert (answer.status, b'"precondition_failed"' in answer.body) == (412, True), path
            assert answer.headers["cache-control"] == "no-store"
            assert "etag" not in answer.headers


async def test_a_list_without_end_names_nothing_and_costs_nothing(instance: Instance) -> None:
    tag = (await ask(instance, "/api/leaderboard")).headers["etag"]
    for endless in ('"x",' * 2000, '"' * 8000, "W/" * 4000, ", " * 4000, f'"{"x" * 7990}",'):
        answer = await ask(instance, "/api/leaderboard", f"If-None-Match: {endless}{tag}")
        assert answer.status == 200
    lines = ["If-None-Match: " + '"x",' * 500] * 3
    answer = await ask(instance, "/api/leaderboard", *lines, f"If-None-Match: {tag}")
    assert answer.status == 200


# Parts


async def test_a_file_is_sent_in_parts(instance: Instance) -> None:
    for path in await files(instance):
        whole = await ask(instance, path)
        assert whole.headers["accept-ranges"] == "bytes"
        length = len(whole.body)
        for asked, part in {
            "bytes=0-0": slice(0, 1),
            "Bytes=3-9": slice(3, 10),
            "bytes=5-": slice(5, length),
            "bytes=-7": slice(length - 7, length),
            f"bytes=0-{length}": slice(0, length),
            f"bytes=-{length + 1}": slice(0, length),
            f"bytes=4-{'9' * 4400}": slice(4, length),
        }.items():
            answer = await ask(instance, path, f"Range: {asked}")
            assert (answer.status, answer.body) == (206, whole.body[part]), (path, asked[:20])
            told = f"bytes {part.start}-{part.stop - 1}/{length}"
            assert answer.headers["content-range"] == told
            for name in ("etag", "cache-control", "vary", "content-type"):
                assert answer.headers.get(name) == whole.headers.get(name)


async def test_what_lies_behind_the_end_is_refused_and_no_cache_keeps_that(
    instance: Instance,
) -> None:
    for path in await files(instance):
        length = len((await ask(instance, path)).body)
        for asked in (f"bytes={length}-", "bytes=-0", f"bytes={'9' * 4400}-"):
            answer = await ask(instance, path, f"Range: {asked}")
            assert (answer.status, b'"range_not_satisfiable"' in answer.body) == (416, True)
            assert answer.headers["content-range"] == f"bytes */{length}"
            assert answer.headers["cache-control"] == "no-store"


NO_RANGES: list[tuple[str, ...]] = [
    ("Range: bytes=9-3",),
    ("Range: bytes=-",),
    ("Range: bytes=0-1,5-6",),
    ("Range: lines=0-1",),
    ("Range: 0-1",),
    ("Range: bytes=0x1-2",),
    ("Range: bytes=0-1", 'If-Range: "other"'),
    ("Range: bytes=0-1", "If-Range: W/{tag}"),
    ("Range: bytes=0-1", f"If-Range: {FAR_AHEAD}"),
    ("Range: bytes=999999999-", 'If-Range: "other"'),
    (f"Range: {'bytes=0-1,' * 800}",),
]


async def test_what_is_no_range_of_this_file_is_not_taken_for_one(
    instance: Instance,
) -> None:
    [path, *_] = await files(instance)
    whole = await ask(instance, path)
    for fields in NO_RANGES:
        lines = [field.replace("{tag}", whole.headers["etag"]) for field in fields]
        answer = await ask(instance, path, *lines)
        assert (answer.status, answer.body) == (200, whole.body), lines
        assert answer.headers["cache-control"] == FOR_GOOD


async def test_the_part_of_the_same_file_is_sent_and_head_knows_no_parts(
    instance: Instance,
) -> None:
    [path, *_] = await files(instance)
    tag = (await ask(instance, path)).headers["etag"]
    part = await ask(instance, path, "Range: bytes=0-1", f"If-Range: {tag}")
    assert (part.status, len(part.body)) == (206, 2)
    head = await ask(instance, path, "Range: bytes=0-1", method="HEAD")
    assert (head.status, "content-range" in head.headers) == (200, False)


async def test_a_large_file_is_written_as_it_is_read(instance: Instance) -> None:
    """Who asks for it and does not read has a piece of it waiting here, and not the whole."""
    sizes = {path: len((await ask(instance, path)).body) for path in await files(instance)}
    path = max(sizes, key=lambda name: sizes[name])
    assert sizes[path] > 1_000_000
    server = instance.runner.server
    assert server is not None
    await eventually(lambda: not server.connections)
    async with connected(instance, receive_buffer=4096) as wire:
        wire.reader._limit = 1  # type: ignore[attr-defined]  # asyncio reads ahead no further
        await eventually(lambda: len(server.connections) == 1)
        [protocol] = server.connections
        transport = protocol.transport
        assert transport is not None
        kernel = transport.get_extra_info("socket")
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await eventually(lambda: protocol.writing_paused, message="the kernel takes no more")
        assert transport.get_write_buffer_size() <= 256 * 1024
        wire.writer.transport.abort()


# By whom it is asked


async def test_each_encoding_has_a_tag_that_no_proxy_gives_to_the_other(
    instance: Instance,
) -> None:
    """Apache names what it compresses `"tag-gzip"`: the plain one, and not what we compressed."""
    packed = {"Accept-Encoding": "gzip"}
    path = (await files(instance))[0]
    async with aiohttp.ClientSession(instance.url, auto_decompress=False) as client:
        async with client.get(path, headers=packed) as answer:
            ours = answer.headers["ETag"]
        async with client.get(path, headers={"Accept-Encoding": "identity"}) as answer:
            plain = answer.headers["ETag"]
        assert ours != plain
        for tag, coding, status in (
            (ours, "gzip", 304),
            (ours, "identity", 200),
            (plain, "gzip", 200),
            (f'"{plain[1:-1]}-gzip"', "identity", 304),
            (f'"{ours[1:-1]}-gzip"', "gzip", 304),
        ):
            known = {"If-None-Match": tag, "Accept-Encoding": coding}
            async with client.get(path, headers=known) as answer:
                assert (answer.status, answer.headers["Vary"]) == (status, "Accept-Encoding")


async def test_gzip_is_for_who_takes_it(instance: Instance) -> None:
    for taken, coding in (
        ("*", "gzip"),
        ("*;q=0, gzip", "gzip"),
        ("gzip;q=0, *", None),
        ("br;q=1.0, gzip; q=0.5", "gzip"),
        ("GZIP", "gzip"),
        ("gzip ; q=0.000", None),
        ("gzipped", None),
    ):
        answer = await ask(instance, "/", f"Accept-Encoding: {taken}")
        assert answer.headers.get("content-encoding") == coding, taken


async def test_an_answer_for_one_site_says_so_however_it_is_asked_for(start: Start) -> None:
    instance = await start(allowed_origins=("https://one.example",))
    for path in ("/api/leaderboard", "/api/actions"):
        tag = (await ask(instance, path)).headers["etag"]
        for method in ("GET", "HEAD"):
            for fields, status in (
                ((), 200),
                ((f"If-None-Match: {tag}",), 304),
                (('If-Match: "other"',), 412),
            ):
                for origin, allowed in (
                    ((), None),
                    (("Origin: https://one.example",), "https://one.example"),
                    (("Origin: https://two.example",), None),
                ):
                    answer = await ask(instance, path, *fields, *origin, method=method)
                    assert answer.status == status
                    assert answer.headers["vary"] == "Origin"
                    assert answer.headers.get("access-control-allow-origin") == allowed
