"""What holders of keys, and who has caught a signed request, would make of the signed routes."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
import pytest_asyncio

from scoreboard.accounts.ids import canonical
from scoreboard.keys.registry import KeyRegistry
from scoreboard.keys.sealing import Seal
from scoreboard.keys.server_key import SCOPES
from scoreboard.parts import PARTS
from tests.attacks.conftest import Start
from tests.eventually import eventually
from tests.game_server import GameServer
from tests.instances import Instance
from tests.world import add_actions, add_users, grants, sql

NONCE = "a-nonce-that-is-sent-again"
# Each route with the scope that it needs, and a body that is good.
ROUTES = [
    ("grants", "POST", "/api/grants", {"grants": [{"userId": "ada", "actionId": "run"}]}),
    ("results", "POST", "/api/results", {"results": [{"receipt": "r"}]}),
    ("results", "GET", "/api/results/match-1", None),
    ("users", "PUT", "/api/users/ada", {"username": "ada"}),
    ("boards", "PUT", "/api/boards/cup", {"title": "Cup"}),
    ("boards", "POST", "/api/boards/cup/close", None),
    ("moderation", "POST", "/api/moderation", {"act": "hide", "userId": "ada", "reason": "x"}),
    ("moderation", "GET", "/api/audit", None),
]


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


@pytest.fixture
def database_url(shared_database_url: str) -> str:
    return shared_database_url


@pytest_asyncio.fixture(loop_scope="module")
async def server(instance: Instance) -> GameServer:
    """Of a game of its own, so that no test meets the players of another one."""
    return await GameServer.of(instance, source=f"game-{uuid.uuid4().hex[:12]}")


def name() -> str:
    """One that nobody has."""
    return f"n{uuid.uuid4().hex[:16]}"


async def code_of(sent: Any) -> tuple[int, str]:
    status, document = await sent
    return status, document.get("code", "")


async def test_each_grant_of_a_request_has_its_own_verdict_and_the_good_ones_count(
    server: GameServer, database_url: str
) -> None:
    user, banned = add_users(database_url, 2, name())
    sql(database_url, "UPDATE users SET banned_at = now() WHERE user_id = %s", (banned,))
    run, off, nobody = name(), name(), str(uuid.uuid4())
    add_actions(database_url, {run: 10, off: 10})
    sql(database_url, "UPDATE actions SET claim = 'server' WHERE action_id = %s", (run,))
    sql(database_url, "UPDATE actions SET disabled_at = now() WHERE action_id = %s", (off,))

    found = await server.grant(
        (nobody, run), (banned, run), (user, run), (user, off), (user, run), (user, "no-action")
    )

    said = [each.get("error", {}).get("code") or each["verdict"] for each in found]
    assert said == [
        *("unknown_user", "banned", "granted", "action_disabled", "repeated", "unknown_action")
    ]
    assert (await server.instance.submit(user, run))[1]["code"] == "not_claimable"
    assert [(each["userId"], each["actionId"]) for each in found[2:5]] == [
        (user, run),
        (user, off),
        (user, run),
    ]
    assert (found[2]["points"], found[2]["score"]) == (10, 10)
    assert found[4]["grantedAt"] == found[2]["grantedAt"]
    assert "score" not in found[4]
    assert [each for each in grants(database_url) if each[0] == user] == [(user, run)]


async def test_grants_that_are_sent_again_add_nothing_and_are_answered_the_first_ones(
    server: GameServer, database_url: str
) -> None:
    users, run = add_users(database_url, 3, name()), name()
    add_actions(database_url, {run: 10})
    pairs = [(user, run) for user in users]
    first = await server.grant(*pairs, nonce=NONCE)
    again = await server.grant(*pairs, nonce=NONCE)
    assert [each["verdict"] for each in first + again] == ["granted"] * 3 + ["repeated"] * 3
    for one, other in zip(first, again, strict=True):
        assert one | {"verdict": "", "score": 0} == other | {"verdict": "", "score": 0}
    assert len([each for each in grants(database_url) if each[0] in users]) == 3


async def test_a_caught_request_gives_no_player_a_name_of_before(server: GameServer) -> None:
    old, new = name(), name()
    user_id = f"player-{uuid.uuid4()}"
    status, made = await server.put(user_id, old, nonce=NONCE)
    assert (status, made["data"]["username"], made["data"]["isNew"]) == (200, old, True)
    same = await server.put(user_id, old, nonce=NONCE[::-1])
    assert same == (200, {"success": True, "data": made["data"] | {"isNew": False}})
    third = {"nonce": NONCE.upper()}
    assert (await server.put(user_id, new, **third))[1]["data"]["username"] == new

    for nonce in (NONCE, NONCE[::-1]):  # the one that made the player, and one that changed nothing
        status, document = await server.put(user_id, old, nonce=nonce)
        assert (status, document["data"]["username"]) == (200, new)
    assert (await server.put(user_id, old))[1]["data"]["username"] == old
    # The rename, whose row is in the audit.
    assert (await server.put(user_id, new, **third))[1]["data"]["username"] == old


@pytest.mark.parametrize(("scope", "method", "target", "body"), ROUTES)
async def test_no_route_does_what_the_key_has_no_scope_for(
    instance: Instance, scope: str, method: str, target: str, body: Any
) -> None:
    server = await GameServer.of(instance, [each for each in SCOPES if each != scope])
    assert await code_of(server.send(method, target, body)) == (403, "key_lacks_scope")


@pytest.mark.parametrize(("scope", "method", "target", "body"), ROUTES)
async def test_no_token_stands_for_a_signature_and_no_forged_one_for_a_good_one(
    instance: Instance, server: GameServer, scope: str, method: str, target: str, body: Any
) -> None:
    async with instance.client.request(
        method, target, json=body, headers=instance.bearer(str(uuid.uuid4()))
    ) as response:
        assert (response.status, (await response.json())["code"]) == (401, "not_signed")
    forger = GameServer(instance, server.key_id, bytes(32))
    assert await code_of(forger.send(method, target, body)) == (401, "bad_signature")


async def test_no_signature_stands_for_a_token(server: GameServer, instance: Instance) -> None:
    for method, target, body in [
        ("POST", "/api/actions", {"actionId": "run"}),
        ("GET", "/api/me", None),
        ("DELETE", "/api/me", {}),
    ]:
        assert await code_of(server.send(method, target, body)) == (403, "not_authorized")


async def test_a_key_of_some_boards_grants_and_names_nothing(instance: Instance) -> None:
    """`keys add` makes none, but the row in the database may say so."""
    server = await GameServer.of(instance, boards=["main"])
    for scope, method, target, body in ROUTES:
        if scope in ("grants", "users"):
            assert await code_of(server.send(method, target, body)) == (403, "key_lacks_board")


async def test_nobody_takes_over_a_name_or_a_user_by_naming_players(
    server: GameServer, instance: Instance, database_url: str
) -> None:
    own = name()
    [user] = add_users(database_url, 1, own)  # with an account here
    taken = f"{own}0"
    assert await code_of(server.put(user, name())) == (403, "key_lacks_user")
    assert await code_of(server.put("ada", taken)) == (409, "account_taken")
    assert await code_of(server.put("ada", taken.upper())) == (409, "account_taken")
    assert await code_of(server.put("ada", name())) == (200, "")
    assert await code_of(server.put("ada", taken)) == (409, "account_taken")

    other = await GameServer.of(instance, source=f"other-{uuid.uuid4().hex[:8]}")
    _, made = await server.put("ada", name())
    assert await code_of(other.put(made["data"]["userId"], name())) == (403, "key_lacks_user")
    _, theirs = await other.put("ada", name())  # their own player of that id
    assert theirs["data"]["userId"] != made["data"]["userId"]
    for wrong in ("a b", "a\u202eb", "a@b.example", "x" * 51):
        assert await code_of(server.put("ada", wrong)) == (400, "invalid_payload")


async def test_with_a_suffix_the_game_goes_on_and_the_name_stays(
    server: GameServer, database_url: str
) -> None:
    own = name()
    add_users(database_url, 1, own)
    _, made = await server.put("bob", f"{own}0", suffix=True)
    given = made["data"]["username"]
    assert given.startswith(f"{own}0-")
    _, again = await server.put("bob", f"{own}0", suffix=True)
    assert again["data"] == made["data"] | {"isNew": False}
    _, made = await server.put("cleo", name())
    _, renamed = await server.put("cleo", f"{own}0", suffix=True)
    assert renamed["data"]["username"].startswith(f"{own}0-")


async def test_refused_names_are_no_players(server: GameServer, instance: Instance) -> None:
    refused = instance.app[PARTS].accounts.users.refused
    bad, good = name(), name()
    await server.put("ada", good)
    refused.take([f"{bad}*", good])
    try:
        assert await code_of(server.put("bob", bad)) == (400, "name_refused")
        assert await code_of(server.put("ada", bad)) == (400, "name_refused")
        assert await code_of(server.put("ada", good)) == (200, "")  # who has it keeps it
        _, made = await server.put("bob", bad, suffix=True)
        assert bad not in made["data"]["username"]
    finally:
        refused.take([])


async def test_two_requests_at_once_make_one_player(server: GameServer, database_url: str) -> None:
    called = name()
    answers = await asyncio.gather(*(server.put("ada", called) for _ in range(8)))
    assert {status for status, _ in answers} == {200}
    assert [document["data"]["isNew"] for _, document in answers].count(True) == 1
    assert len(sql(database_url, "SELECT 1 FROM users WHERE username = %s", (called,))) == 1


async def test_who_was_erased_is_not_brought_back_by_a_request_from_before(
    server: GameServer,
) -> None:
    called = name()
    _, made = await server.put("ada", called, nonce=NONCE)
    erase = {"act": "erase", "userId": made["data"]["userId"], "reason": "asked for it"}
    assert await code_of(server.send("POST", "/api/moderation", erase)) == (200, "")
    for nonce in (NONCE, None):
        assert await code_of(server.put("ada", called, nonce=nonce)) == (403, "unknown_user")


async def test_a_body_that_is_too_large_or_too_long_is_refused_and_the_largest_good_one_not(
    server: GameServer,
) -> None:
    longest = [{"userId": "\U0001f600" * 100, "actionId": "\U0001f600" * 100}] * 200
    status, document = await server.send("POST", "/api/grants", {"grants": longest})
    assert (status, len(document["data"])) == (200, 200)
    assert {each["verdict"] for each in document["data"]} == {"refused"}

    one = {"userId": "ada", "actionId": "run"}
    for count in (0, 201, 20_000):
        status, document = await server.send("POST", "/api/grants", {"grants": [{}] * count})
        assert (status, document["code"]) == (400, "invalid_payload")
        assert document["errors"] == {"grants": [f"Send 1 to 200 at once; these are {count}."]}
    status, document = await server.send(
        "POST", "/api/grants", {"grants": [one], "x": "x" * 262_144}
    )
    assert (status, document["code"]) == (413, "body_too_large")


async def test_a_board_is_put_and_closed_as_it_is_said_and_not_as_it_was_said_before(
    server: GameServer, instance: Instance
) -> None:
    board = f"b{uuid.uuid4().hex[:8]}"
    target = f"/api/boards/{board}"
    said = {"title": "Cup", "operator": "best", "counts": "results", "size": 20, "period": "week"}
    said |= {"valueMin": -5, "valueMax": 2**53 - 1}
    status, added = await server.send("PUT", target, said, nonce=NONCE)
    assert (status, {name: added["data"][name] for name in said}) == (200, said)
    assert added["data"]["season"]["state"] == "running"
    # What it answers with is what it takes.
    assert await server.send("PUT", target, added["data"]) == (200, added)
    status, changed = await server.send("PUT", target, said | {"title": "The cup"})
    assert (status, changed["data"]["title"]) == (200, "The cup")
    status, again = await server.send("PUT", target, said, nonce=NONCE)
    assert (status, again["data"]["title"]) == (200, "The cup")

    status, refused = await server.send("PUT", target, said | {"size": 30})
    assert (status, refused["code"]) == (409, "board_refused")
    assert "size cannot change" in refused["message"]

    assert await code_of(server.send("POST", f"{target}/close", nonce=NONCE)) == (200, "")
    assert (await server.send("POST", f"{target}/close", nonce=NONCE))[1]["data"]["closedAt"]
    assert await code_of(server.send("POST", f"{target}/close")) == (409, "board_refused")
    assert await code_of(server.send("POST", "/api/boards/none/close")) == (404, "unknown_board")
    assert await code_of(server.send("POST", "/api/boards/main/close")) == (409, "board_refused")

    async def is_closed() -> bool:
        async with instance.client.get(target) as response:
            return bool((await response.json())["data"]["closedAt"])

    await eventually(is_closed)


async def test_a_bad_board_is_refused_member_by_member(server: GameServer) -> None:
    bad = {
        "title": " ",
        "direction": "low",
        "period": "dates",
        "startsAt": "2027-03-01",
        "graceSeconds": -1,
        "seasons": [{"startsAt": "2027-03-08", "endsAt": "2027-03-01"}],
    }
    status, document = await server.send("PUT", "/api/boards/cup", bad)
    assert (status, document["code"]) == (400, "invalid_payload")
    assert set(document["errors"]) == {
        "title",
        "direction",
        "startsAt",
        "graceSeconds",
        "seasons",
    }
    assert document["errors"]["graceSeconds"][0].startswith("graceSeconds must be a whole number")
    for board in ("main", "No-Board", "a" * 51):
        assert (await server.send("PUT", f"/api/boards/{board}", {"title": "x"}))[0] in (400, 404)


async def test_a_key_of_some_boards_puts_and_closes_no_other(instance: Instance) -> None:
    board = f"b{uuid.uuid4().hex[:8]}"
    server = await GameServer.of(instance, ["boards"], boards=[board])
    other = f"/api/boards/{board}x"
    assert await code_of(server.send("PUT", other, {"title": "x"})) == (403, "key_lacks_board")
    assert await code_of(server.send("POST", f"{other}/close")) == (403, "key_lacks_board")
    assert await code_of(server.send("PUT", f"/api/boards/{board}", {"title": "x"})) == (200, "")
    assert await code_of(server.send("POST", f"/api/boards/{board}/close")) == (200, "")


async def test_strangers_and_forgers_hold_no_server_up(start: Start) -> None:
    proxied = {"trusted_proxies": ["127.0.0.0/8", "::1/128"]}
    instance = await start(rate_limit_per_ip="5/hour", **proxied)
    server = await GameServer.of(instance, rate="8/hour")
    forger = GameServer(instance, server.key_id, bytes(32))
    here, there = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    stranger = {"webhook-id": "none", **here}

    said = [await code_of(server.send("GET", "/api/audit", fields=stranger)) for _ in range(6)]
    assert said == [(401, "bad_signature")] * 5 + [(429, "rate_limited")]
    assert (await server.send("GET", "/api/audit", fields=here))[
        0
    ] == 200  # behind the same address
    said = [await code_of(forger.send("GET", "/api/audit", fields=here)) for _ in range(8)]
    assert said == [(401, "bad_signature")] * 7 + [(429, "rate_limited")]
    # From elsewhere the key may do what it could, and no more than its rate over all addresses.
    said = [await code_of(server.send("GET", "/api/audit", fields=there)) for _ in range(8)]
    assert said == [(200, "")] * 7 + [(429, "rate_limited")]


async def test_a_revoked_key_is_refused_by_every_instance_within_two_seconds(
    start: Start,
) -> None:
    first, second = await start(), await start()
    server = await GameServer.of(first)

    async def all_say(code: str) -> None:
        for instance in (first, second):

            async def says(instance: Instance = instance) -> bool:
                return (await code_of(server.send("GET", "/api/audit", to=instance)))[1] == code

            await eventually(says, within_seconds=2.0)

    await all_say("")
    await KeyRegistry(first.app[PARTS].queries, Seal([])).revoke(server.key_id)
    await all_say("unknown_key")


def test_an_own_id_is_no_uuid() -> None:
    """Whatever reads as a UUID is one: no two ways of writing it are two players."""
    assert canonical("ABCDEF00-0000-4000-8000-000000000000") == (
        "abcdef00-0000-4000-8000-000000000000"
    )
