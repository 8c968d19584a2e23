"""GET /api/actions: the catalogue for everybody, a page at a time."""

from __future__ import annotations

import pytest

from tests.instances import Instance
from tests.world import add_actions


async def test_the_catalogue_is_public_and_in_order(instance: Instance, database_url: str) -> None:
    add_actions(database_url, {"run": 50, "climb": 20})
    async with instance.client.get("/api/actions") as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "public, max-age=60"
        assert await response.json() == {
            "success": True,
            "data": [
                {"actionId": "climb", "points": 20, "claim": "user"},
                {"actionId": "run", "points": 50, "claim": "user"},
            ],
            "next": None,
        }


async def test_pages_follow_each_other_without_gap_or_repetition(
    instance: Instance, database_url: str
) -> None:
    add_actions(database_url, {f"a{n}": n + 1 for n in range(7)})
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        query = {"limit": "3", "after": after}
        async with instance.client.get("/api/actions", params=query) as response:
            document = await response.json()
        assert len(document["data"]) <= 3
        seen += [action["actionId"] for action in document["data"]]
        after = document["next"]
    assert seen == [f"a{n}" for n in range(7)]


async def test_a_last_page_that_is_full_has_no_next(instance: Instance, database_url: str) -> None:
    add_actions(database_url, {"a": 1, "b": 2})
    async with instance.client.get("/api/actions", params={"limit": "2"}) as response:
        assert (await response.json())["next"] is None


async def test_who_has_a_page_already_gets_304_until_it_changes(
    instance: Instance, database_url: str
) -> None:
    add_actions(database_url, {"a": 1})
    async with instance.client.get("/api/actions") as response:
        known = {"If-None-Match": response.headers["ETag"]}
    async with instance.client.get("/api/actions", headers=known) as response:
        assert (response.status, await response.read()) == (304, b"")
        assert response.headers["ETag"] == known["If-None-Match"]
    add_actions(database_url, {"b": 1})
    async with instance.client.get("/api/actions", headers=known) as response:
        assert response.status == 200


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
    instance: Instance, query: dict[str, str], field: str
) -> None:
    async with instance.client.get("/api/actions", params=query) as response:
        document = await response.json()
    assert (response.status, document["code"]) == (400, "invalid_payload")
    assert list(document["errors"]) == [field]
