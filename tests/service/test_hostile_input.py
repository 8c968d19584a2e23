"""Whatever comes in, the answer is a 4xx in the one envelope and the neighbours are not harmed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance
from tests.world import add_actions, add_users, sql

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


@pytest.fixture
def database_url(shared_database_url: str) -> str:
    return shared_database_url


async def send(
    instance: Instance, method: str, path: str, **kwargs: Any
) -> tuple[int, dict[str, Any]]:
    async with instance.client.request(method, path, **kwargs) as response:
        document = await response.json()
        assert response.headers["X-Request-ID"]
        return response.status, document


def assert_envelope(document: dict[str, Any]) -> None:
    assert document["success"] is False
    assert document["message"]
    assert document["code"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_body"),
        (b"{", 400, "malformed_body"),
        (b"[" * 10_000, 400, "malformed_body"),
        (b'{"actionId": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", 400, "malformed_body"),
        (b'{"actionId": "\xff\xfe"}', 400, "malformed_body"),
        (rb'{"actionId": "\ud800"}', 400, "malformed_body"),
        (rb'{"actionId": "a\u0000b"}', 400, "invalid_payload"),
        (b'{"actionId": "a\\nb"}', 400, "invalid_payload"),
        (b'{"actionId": "' + b"a" * 101 + b'"}', 400, "invalid_payload"),
        (b'{"actionId": ["run"]}', 400, "invalid_payload"),
        (b'{"actionId": {"$ne": 1}}', 400, "invalid_payload"),
        (b'{"actionId": true}', 400, "invalid_payload"),
        (b'{"actionId": 1e999}', 400, "malformed_body"),
        (b'"run"', 400, "invalid_payload"),
        (b"null", 400, "invalid_payload"),
        (b'{"actionId": "' + b"a" * 20_000 + b'"}', 413, "body_too_large"),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_hostile_body_is_refused_with_its_own_code(
    instance: Instance, database_url: str, body: bytes, status: int, code: str
) -> None:
    [user] = add_users(database_url, 1)
    answer, document = await send(
        instance, "POST", "/api/actions", data=body, headers=JSON | instance.bearer(user)
    )
    assert_envelope(document)
    assert (answer, document["code"]) == (status, code)


@pytest.mark.parametrize("path", ["register", "login", "refresh", "logout"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"username": "a\\u0000", "email": "a\\u0000@b.c", "password": "\\u0000"}',
        b'{"username": {}, "email": [], "password": 1, "refreshToken": {}}',
        b'{"username": "<script>", "email": "nobody", "password": "x", "refreshToken": ""}',
    ],
)
async def test_hostile_account_bodies_are_4xx(instance: Instance, path: str, body: bytes) -> None:
    status, document = await send(instance, "POST", f"/api/auth/{path}", data=body, headers=JSON)
    assert_envelope(document)
    assert 400 <= status < 500


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"]
)
async def test_another_content_type_is_415(
    instance: Instance, database_url: str, content_type: str
) -> None:
    [user] = add_users(database_url, 1)
    headers = {"Content-Type": content_type} | instance.bearer(user)
    status, document = await send(
        instance, "POST", "/api/actions", data=b'{"actionId": "run"}', headers=headers
    )
    assert_envelope(document)
    assert (status, document["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/leaderboard/../../etc/passwd", 404, "not_found"),
        ("GET", "/api/actions%00", 404, "not_found"),
        ("PUT", "/api/leaderboard", 405, "method_not_allowed"),
        ("GET", "/api/boards/", 404, "not_found"),
        ("GET", "/api/boards//leaderboard", 404, "not_found"),
        ("GET", "/api/boards/main/leaderboard/", 404, "not_found"),
        ("GET", "/api/boards/main%2Fleaderboard", 404, "unknown_board"),
        ("GET", "/api/boards/%FF/leaderboard", 404, "unknown_board"),
        ("POST", "/api/boards", 405, "method_not_allowed"),
        ("GET", "/api/boards/main/users/", 404, "not_found"),
        ("GET", "/api/boards/main/users/a/b", 404, "not_found"),
        ("GET", "/api/boards/main/users/%FF", 400, "invalid_payload"),
        ("GET", "/api/boards/main/users/%00", 400, "invalid_payload"),
        ("POST", "/api/boards/main/entries", 405, "method_not_allowed"),
        ("DELETE", "/api/boards/main/me", 405, "method_not_allowed"),
        ("PUT", "/api/me/follows", 405, "method_not_allowed"),
        ("POST", "/api/me/stream", 405, "method_not_allowed"),
        ("DELETE", "/api/boards/main/stream", 405, "method_not_allowed"),
        ("DELETE", "/api/leaderboard/stream", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
    ],
)
async def test_unknown_paths_and_methods_come_in_the_envelope(
    instance: Instance, method: str, path: str, status: int, code: str
) -> None:
    answer, document = await send(instance, method, path)
    assert_envelope(document)
    assert (answer, document["code"]) == (status, code)


@pytest.mark.parametrize(
    "path",
    [
        "/api/leaderboard",
        "/api/actions",
        "/api/boards",
        "/api/boards/main/leaderboard",
        "/api/boards/main/entries",
        "/api/boards/main/seasons",
        "/healthz",
        "/readyz",
        "/metrics",
    ],
)
async def test_whatever_can_be_read_is_answered_to_head_with_the_same_head_and_no_body(
    instance: Instance, path: str
) -> None:
    """Monitors and `curl -I` ask so. A byte of a body would be read as the next answer's."""
    await eventually(lambda: instance.app[PARTS].health.report()["ready"])
    async with instance.client.get(path) as read:
        await read.read()
    reader, writer = await asyncio.open_connection(*instance.runner.addresses[0][:2])
    for line in (f"HEAD {path} HTTP/1.1", "GET /nothing HTTP/1.1\r\nConnection: close"):
        writer.write(f"{line}\r\nHost: localhost\r\n\r\n".encode())
    head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()

    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"Content-Type: {read.headers['Content-Type']}".encode() in head
    assert rest.startswith(b"HTTP/1.1 404 ")


async def test_a_405_names_the_methods_that_are_allowed(instance: Instance) -> None:
    async with instance.client.delete("/api/leaderboard") as response:
        assert response.headers["Allow"] == "GET, HEAD"


async def test_a_hostile_submission_never_harms_its_batch(
    instance: Instance, database_url: str
) -> None:
    """One transaction holds them all: a neighbour that overflows its score must fail alone."""
    users = add_users(database_url, 30)
    add_actions(database_url, {"run": 5, "huge": 2_147_483_647})
    blocker = asyncio.create_task(asyncio.to_thread(_hold_ledger, database_url))
    await asyncio.gather(*(instance.submit(user, "run") for user in users[:2]))

    answers = await asyncio.gather(
        *(instance.submit(user, "run") for user in users[2:]),
        instance.submit(users[0], "huge"),
        instance.submit(users[1], "nothing"),
        instance.submit(users[0], "run"),
    )
    await blocker

    assert [status for status, _ in answers] == [200] * 28 + [400] * 3
    assert [document["code"] for _, document in answers[-3:]] == [
        "score_out_of_range",
        "unknown_action",
        "already_granted",
    ]


def _hold_ledger(database_url: str) -> None:
    """Keep the first batch waiting, so that what follows becomes one batch."""
    sql(database_url, "LOCK TABLE ledger IN EXCLUSIVE MODE; SELECT pg_sleep(0.3)")


async def test_a_header_cannot_be_injected_through_the_request_id(instance: Instance) -> None:
    headers = {"X-Request-ID": "a b<script>"}
    async with instance.client.get("/healthz", headers=headers) as response:
        assert response.headers["X-Request-ID"] != headers["X-Request-ID"]


async def test_a_tokens_user_must_be_registered_here(instance: Instance, database_url: str) -> None:
    add_actions(database_url, {"run": 5})
    status, document = await instance.submit("00000000-0000-4000-8000-000000000000", "run")
    assert_envelope(document)
    assert (status, document["code"]) == (403, "unknown_user")


async def test_a_body_that_lies_about_its_encoding_is_400(
    instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    headers = JSON | {"Content-Encoding": "gzip"} | instance.bearer(user)
    status, document = await send(
        instance, "POST", "/api/actions", data=b'{"actionId": "run"}', headers=headers
    )
    assert_envelope(document)
    assert (status, document["code"]) == (400, "malformed_body")
