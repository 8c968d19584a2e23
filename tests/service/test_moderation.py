"""Moderation by commands and by signed requests: done once, with a row of the audit, and seen on
every instance, stream and copy.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from tests.eventually import eventually
from tests.everywhere import SOON_SECONDS, Everywhere
from tests.instances import Instance
from tests.operator import Operator
from tests.service.conftest import Start
from tests.world import add_actions, add_board, add_users, sql

WHY: Final = "Impossible scores"
DAY: Final = timedelta(days=1)


@pytest.fixture
def players(database_url: str) -> list[str]:
    """Three players on `main` and on `weekly`, with 30, 20 and 10 points."""
    users = add_users(database_url, 3)
    add_actions(database_url, {"thirty": 30, "twenty": 20, "ten": 10})
    now = datetime.now(UTC)
    add_board(database_url, "weekly", (now - DAY, now + DAY), (now + DAY, now + 2 * DAY))
    return users


@pytest.fixture
async def everywhere(
    start: Start, players: list[str], database_url: str, redis_url: str
) -> Everywhere:
    instances = [await start(), await start()]
    for user, action in zip(players, ("thirty", "twenty", "ten"), strict=True):
        assert (await instances[0].submit(user, action))[0] == 200
    here = Everywhere(instances, database_url, redis_url)
    await here.open()
    return here


Do = Callable[..., Awaitable[None]]


def by_command(operator: Operator) -> Do:
    """Somebody who moderates by commands."""

    async def do(act: str, *argv: str) -> None:
        said = await operator("users", act, *argv, "--reason", WHY, "--json")
        assert said.code == 0, said.err
        assert said.document["act"] == act.replace("-", "_").replace("unhide", "show")

    return do


ALL_THREE: Final = [("player0", 30), ("player1", 20), ("player2", 10)]


async def test_who_is_hidden_or_banned_is_shown_nowhere_within_two_seconds(
    everywhere: Everywhere, operator: Operator, players: list[str]
) -> None:
    ada, bob, _ = players
    do = by_command(operator)
    await everywhere.show(ALL_THREE, ALL_THREE)

    await do("hide", "player0")
    await everywhere.show(ALL_THREE[1:], ALL_THREE[1:])
    await everywhere.stand(bob, 20, 1)
    await do("unhide", "player0")
    await everywhere.show(ALL_THREE, ALL_THREE)

    await do("ban", "player1")
    others = [ALL_THREE[0], ALL_THREE[2]]
    await everywhere.show(others, others)
    for instance in everywhere.instances:

        async def refused(instance: Instance = instance) -> bool:
            return (await instance.submit(bob, "ten"))[0] == 403

        await eventually(refused, within_seconds=SOON_SECONDS)
    await do("unban", "player1")
    await everywhere.show(ALL_THREE, ALL_THREE)
    acts = [(act, user) for act, user, *_ in everywhere.audit()]
    assert acts == [("hide", ada), ("show", ada), ("ban", bob), ("unban", bob)]


async def test_another_name_or_score_is_seen_everywhere_within_two_seconds(
    everywhere: Everywhere, operator: Operator, players: list[str], database_url: str
) -> None:
    ada, bob, cleo = players
    do = by_command(operator)
    await do("rename", "player2", "countess")
    renamed = [*ALL_THREE[:2], ("countess", 10)]
    await everywhere.show(renamed, renamed)

    await do("correct", f"id:{ada}", "--board", "weekly", "--points", "-25")
    await everywhere.show(renamed, [("player1", 20), ("countess", 10), ("player0", 5)])
    await everywhere.stand(ada, 30, 1)

    await do("revoke-grant", "player1", "twenty")
    weekly = [("countess", 10), ("player0", 5)]  # who has no points is not shown
    await everywhere.show([("player0", 30), ("countess", 10)], weekly)
    await everywhere.stand(bob, 0, None)

    await do("correct", "player1", "--board", "main", "--points", "15")
    await everywhere.show([("player0", 30), ("player1", 15), ("countess", 10)], weekly)

    # A season that has ended, and what its archive says.
    assert (await operator("seasons", "close", "weekly", "--yes")).code == 0
    await do("correct", "countess", "--board", "weekly", "--season", "1", "--points", "-4")
    await do("rename", "player0", "duke")
    await everywhere.keep("weekly?season=1", [("countess", 6), ("duke", 5)])

    # Nothing of it is done twice, and what cannot be done leaves no row.
    for refused, code in (
        (("revoke-grant", "player1", "twenty"), "already_revoked"),
        (("revoke-grant", "player1", "ten"), "not_granted"),
        (("revoke-grant", "player1", "tenth"), "unknown_action"),
        (("revoke-result", "arena", "match-9"), "unknown_receipt"),
        (("correct", "player1", "--board", "nowhere", "--points", "1"), "unknown_board"),
        (("correct", "player1", "--board", "weekly", "--points", "-1"), "score_out_of_range"),
        (("rename", "player1", "Duke"), "account_taken"),
        (("hide", "nobody"), "unknown_user"),
    ):
        said = await operator("users", *refused, "--reason", WHY, "--json")
        assert (said.code, said.failure["code"]) == (1, code), refused

    rows = everywhere.audit()
    assert [(act, user, board) for act, user, board, *_ in rows] == [
        ("rename", cleo, None),
        ("correct", ada, "weekly"),
        ("revoke_grant", bob, None),
        ("correct", bob, "main"),
        ("correct", cleo, "weekly"),
        ("rename", ada, None),
    ]
    assert {row[-1] for row in rows} == {WHY}
    assert all(row[3].startswith("operator:") for row in rows)
    assert (await operator("audit", "verify", "--json")).document["rows"] == len(rows)
    names = sql(database_url, "SELECT before, after FROM audit_names ORDER BY audit_id")
    assert names == [("player2", "countess"), ("player0", "duke")]


async def test_commands_say_what_they_did_how_to_undo_it_and_what_the_audit_says_of_it(
    operator: Operator, players: list[str]
) -> None:
    ada, _, _ = players
    said = await operator("users", "hide", "player0", "--reason", WHY)
    assert "shown on no board" in said.out
    assert f"users unhide id:{ada} --reason" in said.out
    await operator("users", "ban", "player0", "--reason", "Threats")
    shown_now = (await operator("users", "show", "player0", "--json")).document
    assert (shown_now["hiddenBecause"], shown_now["bannedBecause"]) == (WHY, "Threats")
    for list_of in (("show", "player0"), ("list", "--name", "player0")):
        out = (await operator("users", *list_of)).out
        assert f": {WHY}" in out
        assert ": Threats" in out
    await operator("users", "unhide", "player0", "--reason", "Asked for it")
    [listed] = (await operator("users", "list", "--name", "player0", "--json")).document
    assert "hiddenAt" not in listed
    assert listed["bannedBecause"] == "Threats"
    said = await operator(
        *("users", "correct", "player0", "--board", "main", "--points", "5", "--reason", WHY)
    )
    assert f"users correct id:{ada} --board main --points -5 --reason" in said.out

    found = (
        await operator("audit", "list", "--user", "PLAYER0", "--act", "ban", "--json")
    ).document
    assert [(row["act"], row["userId"], row["reason"]) for row in found] == [
        ("ban", ada, "Threats")
    ]
    assert WHY in (await operator("audit", "list", "--user", f"id:{ada}", "--limit", "1")).out
    exported = (await operator("audit", "export", "--after", "1")).out.splitlines()
    assert [json.loads(line)["auditId"] for line in exported] == [2, 3, 4]
    table = list(
        csv.DictReader(io.StringIO((await operator("audit", "export", "--format", "csv")).out))
    )
    assert [row["act"] for row in table] == ["hide", "ban", "show", "correct"]
    assert table[3]["details"] == '{"points": 5}'

    kept = (await operator("audit", "verify", "--json")).document
    assert kept == {"ok": True, "rows": 4, "digest": table[-1]["digest"]}
    early = await operator("audit", "verify", "--expect", table[1]["digest"], "--json")
    assert early.document == kept | {"keptRow": 2}
    other = await operator("audit", "verify", "--expect", "a" * 64, "--json")
    assert other.code == 1
    assert not other.document["ok"]
