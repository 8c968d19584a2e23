"""What a holder of a key could send in the places that a signed request has: paths and bodies."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from yarl import URL

from scoreboard.api.schemas.members import BATCH_MAX
from scoreboard.keys.heads import KEY
from tests.attacks.test_fuzz import failures
from tests.game_server import GameServer
from tests.instances import Instance
from tests.world import add_actions

GRANT = {"userId": "ada", "actionId": "run"}
RESULT = {
    "receipt": "match-1",
    "userId": "ada",
    "boardId": "main",
    "value": 1,
    "playedAt": "2026-01-01T00:00:00Z",
}
BOARD = {
    "title": "Cup",
    "direction": "high",
    "operator": "best",
    "counts": "results",
    "size": 20,
    "period": "dates",
    "zone": "UTC",
    "visibility": "public",
    "seasons": [{"startsAt": "2027-03-01T00:00:00Z", "endsAt": "2027-03-08T00:00:00Z"}],
    "graceSeconds": 60,
    "valueMin": 0,
    "valueMax": 100,
}
ORDER = {"reason": "because", "userId": "ada"}
ORDERS = [
    {"act": "rename", "username": "ada", **ORDER},
    {"act": "correct", "boardId": "main", "points": 1, "season": 1, **ORDER},
    {"act": "revoke_grant", "actionId": "run", **ORDER},
    {"act": "revoke_result", "receipt": "match-1", "source": "arena", "reason": "because"},
]
# Each signed operation, with bodies that are good; a query stands for its parameters.
OPERATIONS: dict[tuple[str, str], list[Any]] = {
    ("POST", "/api/grants"): [{"grants": [GRANT]}],
    ("POST", "/api/results"): [{"results": [RESULT]}],
    ("GET", "/api/results/{receipt}"): [],
    ("PUT", "/api/users/{userId}"): [{"username": "ada", "suffix": True}],
    ("PUT", "/api/boards/{board}"): [BOARD],
    ("POST", "/api/boards/{board}/close"): [],
    ("POST", "/api/moderation"): ORDERS,
    ("GET", "/api/audit"): [],
}
PLACE = "@place@"
# Percent-encoded, as they stand in a path or a query.
WRITTEN = [
    *("%00", "a%00", "%ff", "%ED%A0%80", "%2F", "%2e%2e", "%5C", "%25", "%25s", "%27%22", "%3B"),
    *("%0d%0a", "%E2%80%A8", "%E2%80%AE", "%EF%BF%BD", "%C0%80", "%F4%90%80%80", "%", "%G0", "+"),
    *("-1", "0", "1e3", "%D9%A1", "9" * 300, "a" * 450, quote("\U0001f600" * 30), "{x}", "$1"),
]
VALUES: list[Any] = [
    *(None, True, -1, 1.5, 1e300, 2**53, 2**63 - 1, -(2**63), 2**64),
    *([], {}, {"": None}, [None] * 1000),
    *("", "\x00", "a\x00", "\ufffd", "\u202e", "\U0010ffff", "%s", "'; --", "\\", "NaN"),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "../../../../etc/passwd", "P1S"),
    *("\u0661", "x" * 20_000),
]


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


@pytest_asyncio.fixture(loop_scope="module")
async def server(instance: Instance, shared_database_url: str) -> GameServer:
    made = await GameServer.of(instance)
    await made.put("ada", "ada", suffix=True)
    add_actions(shared_database_url, {"run": 10})
    return made


def with_each_place_changed(good: Any, to: Any) -> Iterator[Any]:
    """The document with this in the place of one of its members, of each in turn."""
    if isinstance(good, dict):
        for name, value in good.items():
            for changed in (to, *with_each_place_changed(value, to)):
                yield {**good, name: changed}
    elif isinstance(good, list):
        for at, value in enumerate(good):
            for changed in (to, *with_each_place_changed(value, to)):
                yield [*good[:at], changed, *good[at + 1 :]]


async def send(server: GameServer, method: str, target: str, raw: bytes) -> int:
    """Send the very bytes of a target, and say the answer's status."""
    headers = server.headers(method, target, raw)
    address = URL(server.instance.url + target, encoded=True)
    client = server.instance.client
    async with client.request(method, address, data=raw or None, headers=headers) as response:
        await response.read()
        return response.status


async def test_every_signed_operation_is_tried(instance: Instance) -> None:
    """What is added later comes into the list above."""
    async with instance.client.get("/docs/openapi.json") as response:
        document = await response.json()
    signed = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if any(KEY in each for each in operation.get("security", []))
    }
    assert signed == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_no_path_and_no_query_of_a_signed_request_makes_the_service_fail(
    server: GameServer, method: str, path: str
) -> None:
    raw = b"".join(json.dumps(each).encode() for each in OPERATIONS[method, path][:1])
    usual = re.sub(r"\{\w+\}", "fuzzed", path)
    places = [re.sub(r"\{\w+\}", PLACE, path) if "{" in path else f"{path}?{PLACE}"]
    if method == "GET":
        places += [f"{usual}?after={PLACE}", f"{usual}?limit={PLACE}"]
    with capture_logs() as logs:
        for place, text in itertools.product(places, WRITTEN):
            assert await send(server, method, place.replace(PLACE, text), raw) < 500, (place, text)
    assert failures(server.instance) == []
    assert not [entry for entry in logs if entry["log_level"] in ("error", "critical")]


@pytest.mark.parametrize(("method", "path"), [each for each, good in OPERATIONS.items() if good])
async def test_no_member_of_a_signed_body_makes_the_service_fail(
    server: GameServer, method: str, path: str
) -> None:
    target = re.sub(r"\{\w+\}", "tried", path)
    last = json.dumps(OPERATIONS[method, path][-1]).encode()
    assert await send(server, method, target, last) in (200, 404)  # it is read to its end
    with capture_logs() as logs:
        for good, value in itertools.product(OPERATIONS[method, path], VALUES):
            for changed in with_each_place_changed(good, value):
                raw = json.dumps(changed).encode()
                assert await send(server, method, target, raw) < 500, changed
    assert failures(server.instance) == []
    assert not [entry for entry in logs if entry["log_level"] in ("error", "critical")]


@pytest.mark.parametrize("path", ["/api/grants", "/api/results"])
async def test_the_largest_bodies_of_what_nothing_looks_for_are_refused(
    server: GameServer, path: str
) -> None:
    """Lists, members and depth: within the bound of bytes, each costs what its bytes cost."""
    member = path.rpartition("/")[2]
    for filling in (
        {member: [{}] * BATCH_MAX, "x": [[]] * 40_000},
        {member: [{f"k{at}": 1 for at in range(100)}] * BATCH_MAX},
        {member: [{"x": "x" * 1000}] * BATCH_MAX},
    ):
        raw = json.dumps(filling, separators=(",", ":")).encode()
        assert await send(server, "POST", path, raw) == 400
    deep = b'{"%s":' % member.encode() + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert await send(server, "POST", path, deep) == 400
