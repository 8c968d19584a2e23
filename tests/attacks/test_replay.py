"""One completed action, submitted as often and in as many ways as somebody can think of."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections import Counter

from tests.attacks.conftest import Start
from tests.attacks.test_tokens import Mint
from tests.attacks.wire import connected
from tests.instances import Instance
from tests.world import add_actions, add_users, grants, ledger_sums, scores


def submission(token: str, action: str = "run") -> bytes:
    body = json.dumps({"actionId": action}).encode()
    fields = (
        "POST /api/actions HTTP/1.1",
        "Host: test",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "",
        "",
    )
    return "\r\n".join(fields).encode() + body


async def flood(instance: Instance, token: str, times: int) -> list[int]:
    """The same submission again and again on one connection, without waiting for an answer."""
    async with connected(instance) as wire:
        await wire.send(submission(token) * times)
        return [(await wire.reply(30)).status for _ in range(times)]


async def test_a_race_over_pipelines_connections_tokens_and_instances_grants_once(
    start: Start, database_url: str
) -> None:
    instances = [await start(), await start()]
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 50})
    tokens = [(user, Mint(user)(jti=str(n))) for n in range(4) for user in users]
    answers = await asyncio.gather(
        *(flood(instance, token, 10) for _, token in tokens for instance in instances)
    )
    found = Counter(status for statuses in answers for status in statuses)
    assert found == {200: 2, 400: 158}
    assert sorted(grants(database_url)) == sorted((user, "run") for user in users)
    assert scores(database_url) == ledger_sums(database_url) == dict.fromkeys(users, 50)


async def test_a_user_in_another_spelling_is_the_same_user(
    instance: Instance, database_url: str
) -> None:
    """An outside issuer may write a UUID as it likes."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    found = []
    for spelling in (user, user.upper(), user.replace("-", "")):
        async with connected(instance) as wire:
            await wire.send(submission(Mint(spelling)()))
            found.append((await wire.reply()).status)
    assert found == [200, 400, 400]
    assert scores(database_url) == {user: 50}


async def test_an_action_in_another_spelling_is_another_action_or_none(
    instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"caf\u00e9": 50})
    for action in (
        "caf\u00e9",
        unicodedata.normalize("NFD", "caf\u00e9"),
        "CAF\u00c9",
        " caf\u00e9",
        "caf\u00e9 ",
        "caf\u00e9\u200b",
        "caf\u00e9\u3164",
        "caf%C3%A9",
        "caf\u00e9\u0000",
    ):
        async with connected(instance) as wire:
            await wire.send(submission(Mint(user)(), action))
            await wire.reply()
    assert grants(database_url) == [(user, "caf\u00e9")]
    assert scores(database_url) == {user: 50}


async def test_no_member_of_the_body_makes_a_grant_worth_more(
    instance: Instance, database_url: str
) -> None:
    user, other = add_users(database_url, 2)
    add_actions(database_url, {"run": 50})
    body = {
        "actionId": "run",
        "points": 10**6,
        "points_granted": 10**6,
        "score": 10**6,
        "userId": other,
        "user_id": other,
        "__proto__": {"points": 10**6},
    }
    async with instance.client.post(
        "/api/actions?points=1000000&userId=" + other, json=body, headers=instance.bearer(user)
    ) as response:
        assert (await response.json())["data"]["score"] == 50
    assert scores(database_url) == {user: 50}


async def test_of_two_members_of_one_name_one_counts(instance: Instance, database_url: str) -> None:
    """Parsers differ in which; a proxy that checks bodies may read another one than the service."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50, "jump": 20})
    async with instance.client.post(
        "/api/actions",
        data=b'{"actionId": "run", "actionId": "jump"}',
        headers=instance.bearer(user) | {"Content-Type": "application/json"},
    ) as response:
        assert response.status == 200
    assert len(grants(database_url)) == 1
