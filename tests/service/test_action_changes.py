"""What operators do to one action while people submit it: disable, enable, rename, remove."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg2
import pytest

from scoreboard.errors import AlreadyGranted
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import MAIN, Grant, Submission
from tests.eventually import eventually
from tests.instances import Instance
from tests.integration.ledger_world import a_ledger
from tests.operator import Operator
from tests.service.conftest import Start
from tests.world import (
    add_actions,
    add_board,
    add_users,
    board_version,
    grants,
    holding,
    ledger_sums,
    scores,
    sql,
    waits_for_lock,
)


async def listed(instance: Instance) -> list[str]:
    """The action ids that the API shows."""
    async with instance.client.get("/api/actions") as response:
        return [action["actionId"] for action in (await response.json())["data"]]


async def test_a_disabled_action_is_refused_everywhere_and_keeps_its_points(
    start: Start, operator: Operator, database_url: str
) -> None:
    instances = [await start(), await start()]
    has_it, has_not = add_users(database_url, 2)
    add_actions(database_url, {"event": 5, "other": 1})
    assert (await instances[0].submit(has_it, "event"))[0] == 200

    said = await operator("actions", "disable", "event", "--json")
    assert (said.code, said.err) == (0, "")
    assert said.document | {"disabledAt": ""} == {
        "actionId": "event",
        "points": 5,
        "claim": "user",
        "grants": 1,
        "disabledAt": "",
    }
    for instance in instances:
        status, refusal = await instance.submit(has_not, "event")
        assert (status, refusal["code"]) == (400, "action_disabled")
        # Whoever lost the answer of the grant asks again, and hears of it.
        status, refusal = await instance.submit(has_it, "event")
        assert (status, refusal["code"]) == (400, "already_granted")
        assert refusal["grant"]["points"] == 5
        assert (await instance.submit(has_not, "other"))[0] in (200, 400)
    assert instances[0].metric("refusals_total", code="action_disabled") == 1
    assert await listed(instances[0]) == ["other"]
    assert "disabled since" in (await operator("actions", "list", "--state", "disabled")).out
    assert scores(database_url) == ledger_sums(database_url) == {has_it: 5, has_not: 1}

    assert (await operator("actions", "enable", "event")).code == 0
    assert (await instances[1].submit(has_not, "event"))[0] == 200


async def test_a_renamed_action_is_granted_once_under_whichever_id_it_is_submitted(
    start: Start, operator: Operator, database_url: str
) -> None:
    instance = await start()
    has_it, by_old, by_new = add_users(database_url, 3)
    add_actions(database_url, {"first-win": 5, "other": 1})
    assert (await instance.submit(has_it, "first-win"))[0] == 200
    version = board_version(database_url)

    said = await operator("actions", "rename", "first-win", "victory", "--json")
    expected = {"actionId": "victory", "formerActionId": "first-win", "grants": 1}
    assert (said.code, said.document) == (0, expected)
    assert board_version(database_url) == version  # nothing that is shown has changed
    for action in ("first-win", "victory"):
        status, refusal = await instance.submit(has_it, action)
        assert (status, refusal["code"]) == (400, "already_granted")
        assert refusal["grant"]["actionId"] == "victory"
    found = await asyncio.gather(
        *(instance.submit(by_old, "first-win") for _ in range(3)),
        *(instance.submit(by_old, "victory") for _ in range(3)),
    )
    assert sorted(status for status, _ in found) == [200, *[400] * 5]
    assert {answer["data"]["actionId"] for status, answer in found if status == 200} == {"victory"}
    assert (await instance.submit(by_new, "victory"))[0] == 200

    # Renamed on, and back: every id that it ever had means it.
    assert (await operator("actions", "rename", "victory", "win")).code == 0
    assert (await operator("actions", "rename", "win", "first-win")).code == 0
    for action in ("first-win", "victory", "win"):
        assert (await instance.submit(by_new, action))[1]["code"] == "already_granted"
    assert await listed(instance) == ["first-win", "other"]
    assert scores(database_url) == ledger_sums(database_url)
    assert {action for _, action in grants(database_url)} == {"first-win"}


async def test_several_former_ids_in_one_batch_are_granted_once(
    operator: Operator, database_url: str
) -> None:
    user, other = add_users(database_url, 2)
    add_actions(database_url, {"a": 5})
    for old, new in (("a", "b"), ("b", "c")):
        assert (await operator("actions", "rename", old, new)).code == 0
    async with a_ledger(database_url) as ledger:
        keys = [(user, "a"), (user, "b"), (other, "c"), (other, "a")]
        settled = await ledger.grant([Submission(*key) for key in keys])
    granted = [isinstance(settled.verdicts[key], Grant) for key in keys]
    assert granted == [True, False, True, False]
    assert scores(database_url) == ledger_sums(database_url) == {user: 5, other: 5}
    assert MAIN in settled.boards
    assert settled.boards[MAIN].version == board_version(database_url)


async def test_a_rename_amid_submissions_grants_each_user_once_and_fails_nobody(
    start: Start, operator: Operator, database_url: str
) -> None:
    instances = [await start(), await start()]
    users = add_users(database_url, 60)
    names = ["id-0"]
    add_actions(database_url, {"id-0": 5, "noise": 1})
    answers: list[tuple[str, int, str]] = []

    async def plays(number: int, user: str) -> None:
        for turn in range(4):
            instance = instances[(number + turn) % 2]
            await instance.submit(user, "noise")
            status, answer = await instance.submit(user, names[-1 - turn % len(names)])
            answers.append((user, status, answer.get("code", "")))

    playing = asyncio.gather(*(plays(*each) for each in enumerate(users)))
    for number in range(1, 5):
        said = await operator("actions", "rename", names[-1], f"id-{number}")
        assert said.code == 0, said.err
        names.append(f"id-{number}")
    await playing
    codes = {code for _, _, code in answers}
    assert codes <= {"", "already_granted"}
    assert sorted(user for user, status, _ in answers if status == 200) == sorted(users)
    assert scores(database_url) == ledger_sums(database_url) == dict.fromkeys(users, 6)


@pytest.mark.parametrize("returns", [True, False], ids=["there and back", "ever on"])
async def test_an_action_that_is_renamed_without_end_is_never_refused_as_unknown(
    database_url: str, returns: bool
) -> None:
    """That would be final. Who cannot be granted between two renames is told to try again."""
    users = add_users(database_url, 20)
    add_actions(database_url, {"id-0": 5})
    ends = asyncio.Event()
    found: list[str] = []

    async def renames(ledger: Ledger) -> None:
        number = 0
        while not ends.is_set():
            following = 1 - number if returns else number + 1
            await ledger.rename_action(f"id-{number}", f"id-{following}")
            number = following

    async with a_ledger(database_url, 20) as ledger, a_ledger(database_url, 20) as operators:
        # Both ids are known from here on.
        await operators.rename_action("id-0", "id-1")
        await operators.rename_action("id-1", "id-0")
        renaming = asyncio.create_task(renames(operators))
        for user in users * 3:
            keys = [(user, "id-0"), (user, "id-1")] if returns else [(user, "id-0")]
            settled = await ledger.grant([Submission(*key) for key in keys])
            found += [type(verdict).__name__ for verdict in settled.verdicts.values()]
        ends.set()
        await renaming
        final = await ledger.grant([Submission(user, "id-0") for user in users])
    assert set(found) <= {"Grant", "AlreadyGranted", "LedgerUnavailable"}
    assert all(isinstance(each, Grant | AlreadyGranted) for each in final.verdicts.values())
    assert scores(database_url) == ledger_sums(database_url) == dict.fromkeys(users, 5)


async def test_an_older_spelling_of_an_id_is_the_same_id_to_operators(
    operator: Operator, database_url: str, tmp_path: Path
) -> None:
    """A database from before ids were composed holds it, and no keyboard types it."""
    typed, older = "caf\u00e9", "cafe\u0301"
    add_actions(database_url, {older: 5, "other": 1})
    said = await operator("actions", "rename", "other", typed, "--json")
    assert said.failure["code"] == "action_taken"
    assert (await operator("actions", "disable", typed)).code == 0
    assert (await operator("actions", "rename", typed, "coffee")).code == 0
    file = tmp_path / "actions.csv"
    file.write_text(f"action_id,points\n{typed},9\n", encoding="utf-8")
    assert "write coffee" in (await operator("actions", "load", str(file))).err
    said = await operator("actions", "rename", "other", typed, "--json")
    assert said.failure["code"] == "former_action_id"
    assert (await operator("actions", "remove", typed)).code == 0
    # It may have its own id in the spelling of today, and be loaded under it.
    add_actions(database_url, {older: 5})
    assert (await operator("actions", "rename", typed, typed)).code == 0
    assert (await operator("actions", "load", str(file))).out == "Loaded 1 action: 1 changed.\n"
    assert sql(database_url, "SELECT action_id FROM actions WHERE points = 9") == [(typed,)]


async def test_a_file_is_loaded_whole_or_not_when_an_action_is_renamed_meanwhile(
    operator: Operator, database_url: str, tmp_path: Path
) -> None:
    add_actions(database_url, {"old": 5})
    file = tmp_path / "actions.csv"
    file.write_text("action_id,points\nold,9\nfresh,1\n")
    rename = """INSERT INTO actions (action_id, points) VALUES ('new', 5);
        INSERT INTO former_action_ids VALUES ('old', 'new');
        DELETE FROM actions WHERE action_id = 'old'"""
    with holding(database_url, rename) as renaming:
        loading = asyncio.create_task(operator("actions", "load", str(file), "--json"))
        await eventually(lambda: waits_for_lock(database_url))
        renaming.commit()
        said = await loading
    assert (said.code, said.failure["code"]) == (1, "former_action_id")
    assert sql(database_url, "SELECT action_id FROM actions") == [("new",)]


async def test_an_action_that_an_earlier_release_loaded_under_a_former_id_can_be_renamed(
    operator: Operator, database_url: str
) -> None:
    """It asks nobody about former ids. The id has meant the newer action since."""
    add_actions(database_url, {"a": 5})
    assert (await operator("actions", "rename", "a", "b")).code == 0
    add_actions(database_url, {"a": 9})
    said = await operator("actions", "rename", "a", "c")
    assert said.code == 0, said.err
    assert sql(database_url, "SELECT former_id, action_id FROM former_action_ids") == [("a", "c")]


async def test_a_rename_waits_for_a_grant_that_is_under_way(
    operator: Operator, database_url: str
) -> None:
    """Its ledger row cannot be seen yet, so it could not be moved."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"old": 5})
    grant = "INSERT INTO ledger (user_id, action_id, points_granted) VALUES ('{}', 'old', 5)"
    with holding(database_url, grant.format(user)) as granting:
        renaming = asyncio.create_task(operator("actions", "rename", "old", "new"))
        await eventually(lambda: waits_for_lock(database_url))
        granting.commit()
        said = await renaming
    assert said.code == 0, said.err
    assert "1 grant" in said.out
    assert grants(database_url) == [(user, "new")]


async def test_an_id_that_is_taken_or_was_another_actions_is_not_given(
    operator: Operator, database_url: str, tmp_path: Path
) -> None:
    add_actions(database_url, {"a": 1, "b": 2})
    assert (await operator("actions", "rename", "a", "c")).code == 0
    for old, new, code in (
        ("c", "b", "action_taken"),
        ("c", "c", "action_taken"),
        ("b", "a", "former_action_id"),
        ("a", "d", "former_action_id"),
        ("nothing", "d", "unknown_action"),
        ("c", " d", "bad_action_id"),
    ):
        said = await operator("actions", "rename", old, new, "--json")
        assert (said.code, said.out, said.failure["code"]) == (1, "", code)
    file = tmp_path / "actions.csv"
    file.write_text("action_id,points\na,9\nfresh,1\n")
    said = await operator("actions", "load", str(file))
    assert (said.code, said.out) == (1, "")
    assert "  a: write c" in said.err
    assert sql(database_url, "SELECT action_id FROM actions ORDER BY 1") == [("b",), ("c",)]

    assert (await operator("actions", "remove", "a", "--json")).document["isFormerId"]
    assert (await operator("actions", "load", str(file))).code == 0


async def test_only_an_action_without_grants_is_removed(
    start: Start, operator: Operator, database_url: str
) -> None:
    instance = await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"granted": 5, "typo": 1})
    assert (await instance.submit(user, "granted"))[0] == 200
    said = await operator("actions", "remove", "granted")
    assert said.code == 1
    assert "has 1 grant" in said.err
    assert "scoreboard actions disable granted" in said.err
    assert (await operator("actions", "remove", "typo")).code == 0
    assert (await instance.submit(user, "typo"))[1]["code"] == "unknown_action"
    # One that is under way is not committed, and holds it all the same.
    add_actions(database_url, {"late": 1})
    grant = "INSERT INTO ledger (user_id, action_id, points_granted) VALUES ('{}', 'late', 1)"
    with holding(database_url, grant.format(user)) as granting:
        removing = asyncio.create_task(operator("actions", "remove", "late", "--json"))
        await eventually(lambda: waits_for_lock(database_url))
        granting.commit()
        assert (await removing).failure["code"] == "has_grants"


async def test_an_action_that_counts_on_a_board_is_not_removed(
    operator: Operator, database_url: str
) -> None:
    add_actions(database_url, {"jump": 1, "hop": 1})
    add_board(database_url, "jumps", counts="listed")
    sql(database_url, "INSERT INTO board_actions VALUES ('jumps', 'jump')")

    said = await operator("actions", "remove", "jump", "--json")
    assert (said.code, said.failure["code"]) == (1, "is_listed")
    assert "jump counts on jumps" in said.failure["message"]
    assert (await operator("actions", "remove", "hop")).code == 0
    # Neither another id nor switching it off changes what counts.
    assert (await operator("actions", "disable", "jump")).code == 0
    assert (await operator("actions", "rename", "jump", "leap")).code == 0
    assert sql(database_url, "SELECT * FROM board_actions") == [("jumps", "leap")]


async def test_what_is_listed_as_json_is_loaded_with_its_state(
    operator: Operator, database_url: str, tmp_path: Path
) -> None:
    add_actions(database_url, {"on": 1, "off": 2})
    await operator("actions", "disable", "off")
    sql(database_url, "UPDATE actions SET claim = 'server' WHERE action_id = 'on'")
    file = tmp_path / "actions.json"
    file.write_text((await operator("actions", "list", "--json")).out)
    sql(database_url, "DELETE FROM actions")
    said = await operator("actions", "load", str(file))
    assert (said.code, said.out) == (0, "Loaded 2 actions: 2 added.\n")
    rows = sql(database_url, "SELECT action_id, disabled_at IS NULL, claim FROM actions ORDER BY 1")
    assert rows == [("off", False, "user"), ("on", True, "server")]
    said = await operator("actions", "load", str(file))
    assert said.out == "Loaded 2 actions: the catalogue had them already.\n"


async def test_who_may_claim_an_action_is_loaded_kept_listed_and_enforced(
    start: Start, operator: Operator, database_url: str, tmp_path: Path
) -> None:
    instance = await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"gold": 5, "run": 1})
    assert (await instance.submit(user, "gold"))[0] == 200
    file = tmp_path / "actions.csv"
    file.write_text("claim,points,action_id\nserver,5,gold\nuser,1,run\n")
    said = await operator("actions", "load", str(file))
    assert (said.code, said.out) == (0, "Loaded 2 actions: 1 changed, 1 unchanged.\n")
    file.write_text("action_id,points\ngold,6\n")  # which says nothing of it
    assert (await operator("actions", "load", str(file))).code == 0
    assert (await operator("actions", "rename", "gold", "win")).code == 0

    for action_id in ("gold", "win"):  # also to who was granted it
        status, refusal = await instance.submit(user, action_id)
        assert (status, refusal["code"]) == (403, "not_claimable")
        assert "grant" not in refusal
    assert (await operator("actions", "list", "--claim", "server", "--json")).document == [
        {"actionId": "win", "points": 6, "claim": "server"}
    ]
    assert "win  (granted by servers)" in (await operator("actions", "list")).out
    async with instance.client.get("/api/actions") as response:
        claims = {each["actionId"]: each["claim"] for each in (await response.json())["data"]}
    assert claims == {"run": "user", "win": "server"}


async def test_an_earlier_release_grants_what_is_enabled_and_nothing_under_a_former_id(
    operator: Operator, database_url: str
) -> None:
    """Its statement names neither the column nor the table; its foreign key is the same."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"old": 5})
    await operator("actions", "rename", "old", "new")
    grant = (
        "INSERT INTO ledger (user_id, action_id, points_granted)"
        " SELECT %s, action_id, points FROM actions WHERE action_id = %s RETURNING action_id"
    )
    assert sql(database_url, grant, (user, "old")) == []
    assert sql(database_url, grant, (user, "new")) == [("new",)]
    by_hand = "INSERT INTO ledger (user_id, action_id, points_granted) VALUES (%s, 'old', 5)"
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        sql(database_url, by_hand, (user,))
