"""GET /api/me/grants: what one has done already, in step with the catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from tests.instances import Instance
from tests.world import add_actions, add_users, sql

# As the catalogue orders them, and as the rules of most languages do not.
IN_ORDER = ["B", "Z", "a", "a-", "a1", "aa", "b", "Ä", "ß", "é", "😀"]


async def page(
    instance: Instance, user: str, **query: str
) -> tuple[list[dict[str, Any]], str | None]:
    async with instance.client.get(
        "/api/me/grants", params=query, headers=instance.bearer(user)
    ) as response:
        document = await response.json()
        assert response.status == 200, document
        assert response.headers["Cache-Control"] == "no-store"
    return document["data"], document["next"]


async def all_pages(instance: Instance, user: str, limit: str) -> list[str]:
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        data, following = await page(instance, user, limit=limit, after=after)
        assert len(data) == int(limit) or following is None
        seen += [grant["actionId"] for grant in data]
        after = following
    return seen


async def test_it_says_what_was_granted_for_how_much_and_when(
    instance: Instance, database_url: str
) -> None:
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"run": 50, "climb": 20, "swim": 5})
    await instance.submit(ada, "run")
    _, granted = await instance.submit(ada, "climb")
    await instance.submit(bob, "swim")
    add_actions(database_url, {"run": 70})
    data, following = await page(instance, ada)
    assert [(grant["actionId"], grant["points"]) for grant in data] == [("climb", 20), ("run", 50)]
    assert data[0]["grantedAt"] == granted["data"]["grantedAt"]
    assert following is None


async def test_pages_are_in_the_order_of_the_catalogue_without_gap_or_repetition(
    instance: Instance, database_url: str
) -> None:
    [ada, bob] = add_users(database_url, 2)
    add_actions(database_url, dict.fromkeys(reversed(IN_ORDER), 1))
    async with instance.client.get("/api/actions") as response:
        catalogue = [action["actionId"] for action in (await response.json())["data"]]
    assert catalogue == IN_ORDER
    sql(
        database_url,
        "INSERT INTO ledger (user_id, action_id, points_granted)"
        " SELECT %s, action_id, points FROM actions",
        (ada,),
    )
    await instance.submit(bob, "b")
    for limit in ("1", "3", "11", "1000"):
        assert await all_pages(instance, ada, limit) == IN_ORDER
    assert await page(instance, bob, limit="1") == (
        [{**(await page(instance, bob))[0][0], "actionId": "b"}],
        None,
    )
    assert await page(instance, bob, after="b") == ([], None)


async def test_what_is_disabled_or_was_renamed_stays_done(
    instance: Instance, database_url: str
) -> None:
    [ada] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50, "swim": 5})
    await instance.submit(ada, "run")
    await instance.submit(ada, "swim")
    sql(database_url, "UPDATE actions SET disabled_at = now() WHERE action_id = 'run'")
    data, _ = await page(instance, ada)
    assert [grant["actionId"] for grant in data] == ["run", "swim"]


async def test_who_has_done_nothing_has_an_empty_page_and_nobody_has_none(
    instance: Instance, database_url: str
) -> None:
    [ada] = add_users(database_url, 1)
    assert await page(instance, ada) == ([], None)
    stranger = "5d2d8a52-8a5f-4f4c-9b5c-0d9c0d7a1e11"
    async with instance.client.get("/api/me/grants", headers=instance.bearer(stranger)) as response:
        assert (response.status, (await response.json())["code"]) == (403, "unknown_user")
    async with instance.client.get("/api/me/grants") as response:
        assert (response.status, (await response.json())["code"]) == (403, "not_authorized")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"after": "x" * 101}, "after"),
        ({"after": "\0"}, "after"),
    ],
)
async def test_a_query_that_makes_no_sense_is_400_and_says_where(
    instance: Instance, database_url: str, query: dict[str, str], field: str
) -> None:
    [ada] = add_users(database_url, 1)
    async with instance.client.get(
        "/api/me/grants", params=query, headers=instance.bearer(ada)
    ) as response:
        document = await response.json()
    assert (response.status, document["code"]) == (400, "invalid_payload")
    assert list(document["errors"]) == [field]
