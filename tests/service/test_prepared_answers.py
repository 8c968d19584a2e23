"""Answers are written from bytes that were made before, and are what aiohttp would write: the
board's as a whole, and the fixed part of every reply's head.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from tests.attacks.wire import Reply, connected
from tests.eventually import eventually
from tests.instances import Instance
from tests.service.conftest import Start
from tests.world import add_actions, add_users

_READ = b"GET /api/leaderboard HTTP/1.1\r\nHost: x\r\n%b\r\n"


def fields(reply: Reply) -> Mapping[str, str]:
    """The head without what two answers may differ in."""
    return {
        name: value for name, value in reply.headers.items() if name not in ("date", "connection")
    }


async def read(instance: Instance, *requests: bytes) -> list[Reply]:
    """Send all on one connection at once, and read as many answers."""
    async with connected(instance) as wire:
        await wire.send(b"".join(requests))
        return [await wire.reply() for _ in requests]


@pytest.mark.parametrize("status", [200, 304])
async def test_the_prepared_answer_is_the_one_that_aiohttp_writes(
    instance: Instance, status: int
) -> None:
    [first] = await read(instance, _READ % b"")
    condition = b"If-None-Match: %b\r\n" % first.headers["etag"].encode() if status == 304 else b""

    prepared, plain = await read(
        instance, _READ % condition, _READ % (condition + b"Connection: close\r\n")
    )

    assert prepared.status == plain.status == status
    assert prepared.body == plain.body
    assert fields(prepared) == fields(plain)
    assert "connection" not in prepared.headers
    assert plain.headers["connection"] == "close"


async def test_an_application_writes_no_head_that_another_one_made(start: Start) -> None:
    """Two in one process show the same board, and allow different origins."""
    open_to_others = await start(allowed_origins=("https://example.org",))
    alone = await start()

    [first], [second] = [await read(each, _READ % b"") for each in (open_to_others, alone)]

    assert first.body == second.body
    assert "Origin" in first.headers["vary"]
    assert "vary" not in second.headers


async def test_answers_to_requests_sent_together_come_whole_and_in_order(
    instance: Instance,
) -> None:
    [first] = await read(instance, _READ % b"")
    known = _READ % (b"If-None-Match: %b\r\n" % first.headers["etag"].encode())
    health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

    replies = await read(instance, _READ % b"", health, known, _READ % b"")

    assert [reply.status for reply in replies] == [200, 200, 304, 200]
    assert replies[0].body == replies[3].body == first.body
    assert "x-request-id" in replies[1].headers


async def test_answers_that_nobody_reads_do_not_pile_up(instance: Instance) -> None:
    """Who asks on without reading is answered no further than the kernel takes, and a little."""
    server = instance.runner.server
    assert server is not None
    async with connected(instance, receive_buffer=4096) as wire:
        wire.reader._limit = 1  # type: ignore[attr-defined]  # asyncio reads ahead no further
        await eventually(lambda: len(server.connections) == 1)
        [protocol] = server.connections
        assert protocol.transport is not None
        kernel = protocol.transport.get_extra_info("socket")
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        wire.writer.write((_READ % b"") * 2000)
        await eventually(lambda: protocol.writing_paused, message="the kernel takes no more")
        answered = server.requests_count
        for _ in range(20):  # time enough for the next ones, were they answered
            async with instance.client.get("/healthz") as response:
                assert response.status == 200

        assert server.requests_count == answered + 20
        wire.writer.transport.abort()


async def test_its_date_is_never_older_than_a_second_or_two(instance: Instance) -> None:
    async with connected(instance) as wire:
        for _ in range(3):
            await wire.send(_READ % b"")
            told = parsedate_to_datetime((await wire.reply()).headers["date"])
            assert abs((datetime.now(UTC) - told).total_seconds()) < 3
            await asyncio.sleep(0.6)


async def test_a_new_board_is_answered_at_once_whatever_was_prepared(
    instance: Instance, database_url: str
) -> None:
    users = add_users(database_url, 5)
    add_actions(database_url, {"run": 10})

    async with connected(instance) as wire:
        for user in users:
            await instance.submit(user, "run")
            await wire.send(_READ % b"")
            assert user.encode() in (await wire.reply()).body


async def test_what_only_bearers_may_read_is_prepared_for_nobody(
    start: Start, database_url: str
) -> None:
    instance = await start(require_token_to_read=True)
    [user] = add_users(database_url, 1)
    token = b"Authorization: Bearer %b\r\n" % instance.token(user).encode()

    refused, one, two = await read(instance, _READ % b"", _READ % token, _READ % token)

    assert refused.status == 403
    assert one.headers["x-request-id"] != two.headers["x-request-id"]
    assert "ratelimit-remaining" in two.headers


async def test_what_one_site_may_read_is_not_what_was_prepared_for_all(start: Start) -> None:
    instance = await start(allowed_origins=("https://one.example", "https://two.example"))
    one, two = (_READ % b"Origin: https://%b.example\r\n" % name for name in (b"one", b"two"))

    replies = await read(instance, one, _READ % b"", two, _READ % b"")

    told = [reply.headers.get("access-control-allow-origin") for reply in replies]
    assert told == ["https://one.example", None, "https://two.example", None]
    assert {reply.headers["vary"] for reply in replies} == {"Origin"}


def post(body: bytes, token: str, *fields: bytes, request_id: bytes = b"one") -> bytes:
    lines = [
        b"POST /api/actions HTTP/1.1",
        b"Host: x",
        b"X-Request-ID: %b" % request_id,
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        b"Authorization: Bearer %b" % token.encode(),
        *fields,
    ]
    return b"\r\n".join([*lines, b"", body])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"actionId":"run"}', 400),  # it was granted already
        (b'{"actionId":"nothing"}', 400),
        (b'{"actionId":7}', 400),
        (b"{", 400),
    ],
)
async def test_a_reply_is_the_one_that_aiohttp_writes(
    start: Start, database_url: str, body: bytes, status: int
) -> None:
    instance = await start(rate_limit_per_user="100/minute")
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 10})
    await instance.submit(user, "run")
    token = instance.token(user)

    prepared, plain = await read(
        instance, post(body, token), post(body, token, b"Connection: close")
    )

    assert prepared.status == plain.status == status
    assert prepared.body == plain.body
    assert without_allowance(prepared) == without_allowance(plain)
    assert "connection" not in prepared.headers
    assert plain.headers["connection"] == "close"


def without_allowance(reply: Reply) -> Mapping[str, str]:
    """The fields, with what is left of the limit as a mark: the second request has less."""
    varying = ("ratelimit-remaining", "ratelimit-reset")
    return {name: "" if name in varying else value for name, value in fields(reply).items()}


async def test_replies_bear_the_id_and_the_limits_of_their_own_request_once(
    start: Start, database_url: str
) -> None:
    instance = await start(rate_limit_per_user="100/minute")
    one, two = (instance.token(user) for user in add_users(database_url, 2))
    add_actions(database_url, {"run": 10})
    body = b'{"actionId":"run"}'

    async with connected(instance) as wire:
        await wire.send(
            post(body, one, request_id=b"first") + post(body, two, request_id=b"second")
        )
        await wire.send(post(body, one, b"Connection: close", request_id=b"third"))
        received = await wire.rest()

    assert re.findall(rb"X-Request-ID: (\w+)", received) == [b"first", b"second", b"third"]
    assert re.findall(rb"RateLimit-Remaining: (\d+)", received) == [b"99", b"99", b"98"]
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"200", b"400"]


async def test_a_body_that_came_with_its_head_is_bounded(
    instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)

    [refused] = await read(instance, post(b"{}" + b" " * 17_000, instance.token(user)))

    assert refused.status == 413
