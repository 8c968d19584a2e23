"""POST /api/moderation and GET /api/audit: what a server key may do, once, and to whom."""

from __future__ import annotations

import asyncio
import functools
import json
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from standardwebhooks import Webhook

from scoreboard.keys.heads import message_id_begins
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance
from tests.operator import Operator
from tests.service.conftest import Start
from tests.signing import request
from tests.world import add_actions, add_board, add_users, sql

WHY: Final = "Impossible scores"
DAY: Final = timedelta(days=1)
MODERATION: Final = "/api/moderation"


@dataclass(frozen=True)
class Server:
    """Whoever holds a key."""

    key_id: str
    secret: str

    async def post(
        self, instance: Instance, act: str, nonce: str = "", **members: Any
    ) -> tuple[int, dict[str, Any]]:
        """Ask for an act; status and document."""
        body = json.dumps({"act": act, "reason": WHY} | members).encode()
        return await self.send(instance, "POST", MODERATION, body, nonce)

    async def get(self, instance: Instance, target: str) -> tuple[int, dict[str, Any]]:
        return await self.send(instance, "GET", target, b"")

    async def send(
        self, instance: Instance, method: str, target: str, body: bytes, nonce: str = ""
    ) -> tuple[int, dict[str, Any]]:
        signed = request(
            method,
            target,
            body,
            secret=Webhook(self.secret)._whsecret,
            key_id=self.key_id,
            at=time.time(),
            message_id=message_id_begins(method, target) + (nonce or secrets.token_hex(16)),
        )
        headers = {**signed.headers, "Content-Type": "application/json"}
        data = body or None
        async with instance.client.request(method, target, data=data, headers=headers) as answer:
            return answer.status, await answer.json()


async def a_key(operator: Operator, instances: list[Instance], *argv: str) -> Server:
    """A key that every instance knows."""
    said = await operator("keys", "add", "arena", "--title", "Desk", *argv, "--json")
    assert said.code == 0, said.err
    server = Server(said.document["keyId"], said.document["secret"])

    def is_known() -> bool:
        return all(server.key_id in instance.app[PARTS].keyring._keys for instance in instances)

    await eventually(is_known)
    return server


@pytest.fixture
def players(database_url: str) -> list[str]:
    users = add_users(database_url, 3)
    add_actions(database_url, {"thirty": 30, "twenty": 20, "ten": 10})
    now = datetime.now(UTC)
    add_board(database_url, "weekly", (now - DAY, now + DAY), (now + DAY, now + 2 * DAY))
    return users


def a_result(database_url: str, receipt: str, user_id: str, board_id: str, value: int) -> None:
    """Put a result there, as a server would."""
    sql(
        database_url,
        "INSERT INTO results (source, receipt, user_id, board_id, season_id, value, played_at,"
        " recorded_at) SELECT 'arena', %s, %s, board_id, season_id, %s, now(), now()"
        " FROM boards WHERE board_id = %s",
        (receipt, user_id, value, board_id),
    )


def audit(database_url: str) -> list[tuple[Any, ...]]:
    return sql(database_url, "SELECT act, user_id::text, made_by FROM audit ORDER BY audit_id")


async def names(instance: Instance) -> list[str]:
    return [entry["username"] for entry in (await instance.board())["data"]]


async def test_an_act_by_a_key_is_done_once_and_seen_on_every_instance(
    start: Start, operator: Operator, players: list[str], database_url: str
) -> None:
    one, two = instances = [await start(), await start()]
    for user, action in zip(players, ("thirty", "twenty", "ten"), strict=True):
        assert (await one.submit(user, action))[0] == 200
    server = await a_key(operator, instances, "--scope", "moderation")
    ada, bob, cleo = players
    stream = await two.open_stream()

    nonce = "a-nonce-of-16-or-more"
    named = {"userId": ada, "username": "duchess"}
    answers = await asyncio.gather(
        *(server.post(instance, "rename", nonce, **named) for instance in (one, two, one, two))
    )
    assert [status for status, _ in answers] == [200] * 4
    repeated = [document["data"].pop("isRepeated") for _, document in answers]
    assert sorted(repeated) == [False, True, True, True]
    assert len({json.dumps(document) for _, document in answers}) == 1
    assert answers[0][1]["data"]["userId"] == ada
    # The instance that was asked has it when it answers, the other one hears of it.
    await eventually(lambda: stream.boards[-1].data["topUsers"][0]["username"] == "duchess")
    for instance in instances:
        await eventually(functools.partial(_first, instance, "duchess"))
    # Another subject under the same nonce is the request that was answered.
    status, document = await server.post(
        one, "correct", nonce, userId=bob, boardId="main", points=5
    )
    assert (status, document["data"]["act"], document["data"]["isRepeated"]) == (
        200,
        "rename",
        True,
    )

    await server.post(one, "correct", userId=bob, boardId="main", points=90)
    await eventually(lambda: stream.boards[-1].data["topUsers"][0]["username"] == "player1")
    assert await names(one) == ["player1", "duchess", "player2"]
    await server.post(two, "revoke_grant", userId=bob, actionId="twenty")
    a_result(database_url, "match-1", cleo, "weekly", 70)
    assert (await server.post(one, "revoke_result", receipt="match-1"))[0] == 200
    acts = [("hide", ada), ("show", ada), ("ban", ada), ("unban", ada), ("erase", cleo)]
    for act, user in acts:
        status, document = await server.post(one, act, userId=user)
        assert (status, document["data"]["act"]) == (200, act), document
    await eventually(lambda: _are(two, ["player1", "duchess"]))

    assert audit(database_url) == [
        (act, user, server.key_id)
        for act, user in [
            *(("rename", ada), ("correct", bob), ("revoke_grant", bob), ("revoke_result", cleo)),
            *acts,
        ]
    ]
    assert (await operator("audit", "verify")).code == 0

    # A page of the audit, by the same scope.
    status, document = await server.get(two, "/api/audit?after=1&limit=2")
    assert status == 200
    assert [row["act"] for row in document["data"]] == ["correct", "revoke_grant"]
    assert document["data"][0]["details"] == {"points": 90}
    assert document["data"][0]["madeBy"] == server.key_id
    assert document["next"] == 3
    assert (await server.get(two, "/api/audit?after=3"))[1]["next"] is None


async def _first(instance: Instance, username: str) -> bool:
    return (await names(instance))[0] == username


async def _are(instance: Instance, usernames: list[str]) -> bool:
    return await names(instance) == usernames


async def test_a_key_moderates_what_its_scope_and_its_boards_allow(
    start: Start, operator: Operator, players: list[str], database_url: str
) -> None:
    instance = await start()
    ada, _, _ = players
    add_board(database_url, "cup", (datetime.now(UTC) - DAY, None))
    await instance.submit(ada, "thirty")
    everything = await a_key(operator, [instance], "--scope", "moderation")
    weekly = await a_key(operator, [instance], "--scope", "moderation", "--board", "weekly")
    other = await a_key(operator, [instance], "--scope", "results", "--scope", "users")

    for asked in (other.post(instance, "hide", userId=ada), other.get(instance, "/api/audit")):
        status, document = await asked
        assert (status, document["code"]) == (403, "key_lacks_scope")
    for act, members in (
        ("hide", {"userId": ada}),
        ("rename", {"userId": ada, "username": "duchess"}),
        ("revoke_grant", {"userId": ada, "actionId": "thirty"}),
        ("erase", {"userId": ada}),
        ("correct", {"userId": ada, "boardId": "main", "points": 5}),
        ("correct", {"userId": ada, "boardId": "nowhere", "points": 5}),
    ):
        status, document = await weekly.post(instance, act, **members)
        assert (status, document["code"]) == (403, "key_lacks_board"), act
    a_result(database_url, "match-1", ada, "cup", 5)
    a_result(database_url, "match-2", ada, "weekly", 5)
    for receipt, wanted in (("match-1", 403), ("match-2", 200), ("match-3", 404)):
        assert (await weekly.post(instance, "revoke_result", receipt=receipt))[0] == wanted
    assert (await weekly.post(instance, "correct", userId=ada, boardId="weekly", points=5))[
        0
    ] == 200
    assert (await everything.post(instance, "hide", userId=ada))[0] == 200

    async def seen_by(server: Server) -> list[str]:
        return [row["act"] for row in (await server.get(instance, "/api/audit"))[1]["data"]]

    assert await seen_by(everything) == ["revoke_result", "correct", "hide"]
    assert await seen_by(weekly) == ["revoke_result", "correct"]

    # Who has a token, and who has none.
    async with instance.client.get("/api/audit", headers=instance.bearer(ada)) as answer:
        assert (answer.status, (await answer.json())["code"]) == (401, "not_signed")
    assert len(audit(database_url)) == 3


async def test_what_cannot_be_done_is_refused_by_member_and_leaves_no_row(
    start: Start, operator: Operator, players: list[str], database_url: str
) -> None:
    instance = await start()
    ada, bob, _ = players
    server = await a_key(operator, [instance], "--scope", "moderation")
    assert (await operator("names", "refuse", "admin*")).code == 0
    await eventually(lambda: instance.app[PARTS].accounts.users.refused.pattern_for("admin"))
    for act, members, wrong in (
        ("hide", {}, {"userId"}),
        ("rename", {"userId": ada}, {"username"}),
        ("rename", {"userId": ada, "username": "a b"}, {"username"}),
        ("rename", {"userId": ada, "username": "Adm1n"}, set()),
        ("rename", {"userId": ada, "username": "ADMIN-2"}, {"username"}),
        ("correct", {}, {"userId", "boardId", "points"}),
        ("correct", {"userId": ada, "boardId": "main", "points": 0}, {"points"}),
        ("correct", {"userId": ada, "boardId": "main", "points": "5"}, {"points"}),
        ("correct", {"userId": ada, "boardId": "main", "points": 2**53}, {"points"}),
        ("correct", {"userId": ada, "boardId": "main", "points": 5, "season": 0}, {"season"}),
        ("revoke_grant", {"userId": ada}, {"actionId"}),
        ("revoke_result", {}, {"receipt"}),
        ("delete", {"userId": ada}, {"act"}),
        ("hide", {"userId": ada, "reason": ""}, {"reason"}),
        ("hide", {"userId": ada, "reason": "\u202e"}, {"reason"}),
        ("hide", {"userId": ada, "reason": "x" * 501}, {"reason"}),
    ):
        status, document = await server.post(instance, act, **members)
        if wrong:
            assert (status, set(document["errors"])) == (400, wrong), (act, members)
        else:
            assert status == 200
    for act, members, code in (
        ("hide", {"userId": "nobody-here"}, (403, "unknown_user")),
        ("rename", {"userId": ada, "username": "player1"}, (409, "account_taken")),
        ("correct", {"userId": bob, "boardId": "cup", "points": 5}, (404, "unknown_board")),
        ("correct", {"userId": bob, "boardId": "main", "points": -5}, (400, "score_out_of_range")),
        ("revoke_grant", {"userId": bob, "actionId": "ten"}, (404, "not_granted")),
        ("revoke_result", {"receipt": "match-9"}, (404, "unknown_receipt")),
    ):
        status, document = await server.post(instance, act, **members)
        assert (status, document["code"]) == code, (act, members)
    assert [row[:2] for row in audit(database_url)] == [("rename", ada)]
