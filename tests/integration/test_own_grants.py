"""What a page of one's grants costs PostgreSQL: the rows of one user."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.errors import UnknownUser
from scoreboard.scoring.own_grants import SQL, OwnGrants
from tests.world import add_actions, add_users, sql

OWN = 2_000
OTHERS = 20
LIMIT = 201


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    below = [node for child in plan.get("Plans", ()) for node in nodes(child)]
    return [plan, *below]


async def test_a_page_reads_the_rows_of_its_user_by_the_key_and_no_others(
    database_url: str,
) -> None:
    users = add_users(database_url, OTHERS)
    add_actions(database_url, {f"action-{n:04}": n + 1 for n in range(OWN)})
    sql(
        database_url,
        "INSERT INTO ledger (user_id, action_id, points_granted)"
        " SELECT user_id, action_id, points FROM actions, users",
    )
    sql(database_url, "ANALYZE")
    asked = {"user_id": users[3], "after": "action-0100", "limit": LIMIT}
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {SQL['read_own_grants']}"
    [(found,)] = sql(database_url, explain, asked)
    document = found if isinstance(found, list) else json.loads(found)
    plan = nodes(document[0]["Plan"])
    scans = [node for node in plan if node.get("Relation Name") == "ledger"]
    indexed = [node for node in plan if node.get("Index Name") == "unique_user_action"]
    assert (len(scans), len(indexed)) == (1, 1), document
    assert "user_id" in indexed[0]["Index Cond"]
    [scan] = scans
    assert scan["Actual Loops"] == 1
    assert scan["Actual Rows"] + scan["Rows Removed by Filter"] == OWN
    assert plan[0]["Actual Rows"] == LIMIT


async def test_a_user_who_is_not_here_has_no_grants(postgres: Postgres) -> None:
    with pytest.raises(UnknownUser):
        await OwnGrants(postgres).of("5d2d8a52-8a5f-4f4c-9b5c-0d9c0d7a1e11", "", 10)
