"""Who may register, by which invitation, and under which name; and how operators say so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from scoreboard.accounts.refused_names import PATTERNS_MAX
from tests.eventually import eventually
from tests.instances import Instance
from tests.integration.account_world import Database
from tests.operator import Operator
from tests.service.conftest import Start
from tests.world import sql

PASSWORD = "correct horse battery staple"
# As promised, on a machine that has time for us (`tests/eventually.py`).
SOON_SECONDS = 2.0


async def register(
    instance: Instance, username: str, email: str = "", **more: str
) -> tuple[int, dict[str, Any]]:
    body = {
        "username": username,
        "email": email or f"{username}@example.org",
        "password": PASSWORD,
    }
    async with instance.client.post("/api/auth/register", json=body | more) as response:
        return response.status, await response.json()


async def code_of(instance: Instance, username: str, email: str = "", **more: str) -> str:
    """The code of the refusal, or `201`."""
    status, document = await register(instance, username, email, **more)
    return str(document.get("code", status))


async def invite(operator: Operator, *argv: str) -> str:
    said = await operator("invitations", "add", *argv, "--json")
    assert said.code == 0, said.err
    return str(said.document[0]["code"])


def states(database_url: str) -> list[bool]:
    """Of each invitation, whether it is used."""
    rows = sql(database_url, "SELECT used_at IS NOT NULL FROM invitations ORDER BY invitation_id")
    return [is_used for (is_used,) in rows]


async def test_where_registration_is_closed_nobody_registers_and_users_still_log_in(
    start: Start, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoreboard.commands.users.read_password", lambda **_: PASSWORD)
    assert (await operator("users", "create", "ada", "ada@example.org")).code == 0
    instance = await start(registration="closed")
    status, document = await register(instance, "grace")
    assert (status, document["code"]) == (403, "registration_closed")
    code = await invite(operator)
    assert await code_of(instance, "grace", invitation=code) == "registration_closed"
    body = {"username": "ada", "password": PASSWORD}
    async with instance.client.post("/api/auth/login", json=body) as response:
        assert response.status == 200


async def test_an_invitation_lets_one_person_register_whatever_failed_before(
    start: Start, operator: Operator, database_url: str
) -> None:
    instance = await start(registration="invitation")
    status, document = await register(instance, "ada")
    assert (status, document["code"]) == (403, "invitation_required")
    code = await invite(operator)
    for wrong in ("x", code[:-1], f"{code}a", "a" * 26, "\u0660" * 26, f"{code[:5]} {code[5:]}"):
        assert await code_of(instance, "ada", invitation=wrong) == "invitation_not_valid", wrong
    assert await code_of(instance, "ada", "a@b", invitation=code) == "invalid_payload"
    assert await code_of(instance, "ada", invitation="a" * 65) == "invalid_payload"
    assert states(database_url) == [False]
    # As it is typed from paper, or copied with what stood around it.
    assert await code_of(instance, "ada", invitation=f" {code.upper()} ") == "201"
    assert await code_of(instance, "grace", invitation=code) == "invitation_not_valid"
    assert states(database_url) == [True]
    [(user_id, username)] = sql(
        database_url, "SELECT user_id::text, username FROM invitations JOIN users USING (user_id)"
    )
    assert username == "ada"

    other = await invite(operator)
    assert await code_of(instance, "ada", "b@example.org", invitation=other) == "account_taken"
    assert states(database_url) == [True, False]
    assert await code_of(instance, "grace", invitation=other) == "201"
    # Who is deleted takes nothing along that was said of the invitation but who it was.
    sql(database_url, f"DELETE FROM users WHERE user_id = '{user_id}'")
    assert states(database_url) == [True, True]


async def test_of_two_who_come_with_one_code_at_the_same_moment_one_registers(
    start: Start, operator: Operator, database_url: str
) -> None:
    first = await start(registration="invitation")
    second = await start(registration="invitation")
    code = await invite(operator)
    database = Database(database_url)
    with database.in_the_middle_of("SELECT FROM invitations FOR UPDATE"):
        tasks = [
            asyncio.create_task(code_of(instance, name, invitation=code))
            for instance, name in ((first, "ada"), (second, "grace"))
        ]
        await database.held_up(*tasks)
    assert sorted(await asyncio.gather(*tasks)) == ["201", "invitation_not_valid"]
    assert sql(database_url, "SELECT count(*) FROM users") == [(1,)]


async def test_operators_see_invitations_without_codes_and_end_those_that_are_open(
    start: Start, operator: Operator, database_url: str
) -> None:
    instance = await start(registration="invitation")
    made = (
        await operator(
            "invitations", "add", "--count", "4", "--days", "2", "--note", "games", "--json"
        )
    ).document
    codes = [one["code"] for one in made]
    assert len(set(codes)) == 4
    assert str(sql(database_url, "SELECT invitations::text FROM invitations")).count("games") == 4
    everything = str(sql(database_url, "SELECT invitations::text FROM invitations"))
    assert not any(code in everything for code in codes)

    ids = [one["invitationId"] for one in made]
    assert (await operator("invitations", "revoke", str(ids[0]))).code == 0
    assert await code_of(instance, "ada", invitation=codes[1]) == "201"
    sql(database_url, f"UPDATE invitations SET expires_at = now() WHERE invitation_id = {ids[2]}")
    for code in codes[:3]:
        assert await code_of(instance, "grace", invitation=code) == "invitation_not_valid"

    listed = (await operator("invitations", "list", "--json")).document
    assert [one["state"] for one in listed] == ["revoked", "used", "expired", "open"]
    assert all(one["note"] == "games" and "code" not in one for one in listed)
    rest = ("--after", str(ids[0]), "--limit", "2")
    paged = (await operator("invitations", "list", *rest, "--json")).document
    assert [one["invitationId"] for one in paged] == ids[1:3]
    shown = await operator("invitations", "list", "--state", "open")
    assert len(shown.out.splitlines()) == 1
    assert codes[3] not in shown.out

    refused = await operator("invitations", "revoke", *map(str, ids), "--json")
    assert (refused.code, refused.failure["code"]) == (1, "invitation_not_open")
    assert await code_of(instance, "grace", invitation=codes[3]) == "invitation_not_valid"
    assert (await operator("invitations", "add", "--count", "0")).code == 2
    assert (await operator("invitations", "add", "--days", "4000")).code == 2


async def test_a_refused_name_is_taken_on_no_instance_and_a_name_off_the_list_on_all(
    start: Start, operator: Operator, database_url: str
) -> None:
    instances = [await start(), await start()]
    assert await code_of(instances[0], "moderatorin") == "201"  # before anybody refused it
    said = await operator("names", "refuse", "Admin", "*MODERATOR*", "--note", "ours", "--json")
    assert said.document == {"added": 2, "unchanged": 0}

    async def is_refused(instance: Instance, name: str) -> bool:
        status, document = await register(instance, name, "taken@example.org")
        if status == 400:
            assert document["code"] == "name_refused", document
            assert list(document["errors"]) == ["username"]
        return status == 400

    sql(
        database_url,
        "INSERT INTO users (username, email, password_hash) VALUES ('t', 'taken@example.org', '')",
    )
    for instance in instances:
        await eventually(
            lambda instance=instance: is_refused(instance, "admin"),  # type: ignore[misc]
            within_seconds=SOON_SECONDS,
        )
        for name in (
            "ADMIN",
            "\uff41dmin",
            "\u0430dmin",
            "adm1n",
            "the.Moderator",
            "MODERAT\u039fR",
        ):
            assert await is_refused(instance, name), ascii(name)
        for name in ("administrator", "mod", "xadmin"):
            assert not await is_refused(instance, name)

    users = (await operator("names", "list", "--users", "--json")).document
    assert [(one["username"], one["pattern"]) for one in users] == [("moderatorin", "*moderator*")]
    listed = (await operator("names", "list", "--json")).document
    assert [(one["pattern"], one["note"]) for one in listed] == [
        ("*moderator*", "ours"),
        ("admin", "ours"),
    ]
    assert (await operator("names", "allow", "ADMIN")).code == 0
    for instance in instances:
        await eventually(
            lambda instance=instance: _not(is_refused(instance, "admin")),  # type: ignore[misc]
            within_seconds=SOON_SECONDS,
        )
    late = await start()  # knows the list before it serves anybody
    assert await is_refused(late, "moderator")


async def _not(awaited: Any) -> bool:
    return not await awaited


async def test_operators_give_a_refused_name_by_force_alone(
    start: Start, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoreboard.commands.users.read_password", lambda **_: PASSWORD)
    await start()
    assert (await operator("names", "refuse", "adm*")).code == 0
    assert (await operator("users", "create", "ada", "ada@example.org")).code == 0
    for argv in (
        ("rename", "ada", "Admiral", "--reason", "Insult"),
        ("create", "admin", "b@example.org"),
    ):
        said = await operator("users", *argv, "--json")
        assert (said.code, said.failure["code"]) == (1, "name_refused"), argv
        assert (await operator("users", *argv, "--force", "--json")).code == 0, argv


async def test_a_file_of_refused_names_is_loaded_as_a_whole_or_not(
    start: Start, operator: Operator, tmp_path: Path, database_url: str
) -> None:
    await start()
    file = tmp_path / "refused.txt"
    file.write_text("\ufeff# ours\nadmin\n\n*root*   # both ends\nADMIN # once more\n", "utf-8")
    said = await operator("names", "load", str(file), "--json")
    assert said.document == {"added": 2, "unchanged": 0}
    again = await operator("names", "load", str(file), "--json")
    assert again.document == {"added": 0, "unchanged": 2}
    kept = sql(database_url, "SELECT pattern, note FROM refused_names ORDER BY 1")
    assert kept == [("*root*", "both ends"), ("admin", "once more")]

    for text, what in (("new\n**\n", "line 2"), ("a b\n", "line 1"), ("", "no patterns")):
        file.write_text(text)
        said = await operator("names", "load", str(file))
        assert said.code == 1
        assert what in said.err
    file.write_bytes(b"\xff\n")
    assert "UTF-8" in (await operator("names", "load", str(file))).err
    file.write_text("".join(f"name{n}\n" for n in range(PATTERNS_MAX)))
    many = await operator("names", "load", str(file), "--json")
    assert (many.code, many.failure["code"]) == (1, "too_many_patterns")
    assert sql(database_url, "SELECT count(*) FROM refused_names") == [(2,)]
    absent = await operator("names", "allow", "admin", "nobody", "--json")
    assert (absent.code, absent.failure["code"]) == (1, "unknown_pattern")
    assert (await operator("names", "refuse", "*", "--json")).failure["code"] == "bad_pattern"


async def test_codes_are_guessed_no_faster_than_passwords(start: Start) -> None:
    instance = await start(registration="invitation", rate_limit_accounts_per_ip="5/hour")
    found = [await code_of(instance, "ada", invitation="a" * 26) for _ in range(7)]
    assert found == ["invitation_not_valid"] * 5 + ["rate_limited"] * 2
