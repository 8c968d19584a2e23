"""An instance whose PostgreSQL answers and refuses: clients hear nothing of it but 503, operators
hear what is the matter; and instances that have no more rights than they need.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from scoreboard.connections.blocking import DatabaseRefuses, UnfitDatabase
from scoreboard.fitness import fitness
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.logs import Written, written
from tests.roles import Role, a_role
from tests.world import add_actions, add_users, board_version, grants, sql

__all__ = ["written"]

ADA = {"username": "ada", "email": "ada@example.org", "password": "analytical engine"}
ADA_LOGS_IN = {"username": "ada", "password": ADA["password"]}


@pytest.fixture
def api(database_url: str) -> Iterator[Role]:
    with a_role(database_url, "api") as role:
        yield role


async def postgresql(instance: Instance) -> dict[str, Any]:
    """The part as /readyz has it."""
    async with instance.client.get("/readyz") as response:
        [part] = [p for p in (await response.json())["parts"] if p["name"] == "postgresql"]
        return dict(part)


def at_error(written: Written) -> list[dict[str, Any]]:
    return [line for line in written.lines() if line["level"] == "error"]


async def test_a_right_that_is_taken_away_is_503_to_clients_and_named_to_operators(
    start: Start, api: Role, written: Written
) -> None:
    written.begin("info")
    one = await start(database_url=api.url)
    [user] = add_users(api.owner_url, 1)
    add_actions(api.owner_url, {"run": 5})
    await eventually(lambda: one.metric("part_up", part="postgresql"))
    assert "refused" not in await postgresql(one)
    api.revoke("INSERT", "ledger")

    answers = [await one.submit(user, "run") for _ in range(5)]

    assert {status for status, _ in answers} == {503}
    for _, document in answers:
        assert document["code"] == "ledger_unavailable"
        assert "ledger" not in document["message"]
    # It answers, so it is up; and it refuses.
    part = await postgresql(one)
    assert (part["up"], part["refused"]) == (True, "a right is missing (42501)")
    assert one.metric("postgres_failures_total", pool="ledger", reason="refused") == 5
    assert one.metric("postgres_failures_total", pool="ledger", reason="no_answer") == 0
    [line] = written.named("scoreboard.postgres.refused")
    assert (line["level"], line["sqlstate"]) == ("error", "42501")
    assert line["error"] == "permission denied for table ledger"
    api.grant("INSERT", "ledger")
    assert (await one.submit(user, "run"))[0] == 200
    assert grants(api.owner_url) == [(user, "run")]
    await one.stop()


async def test_a_right_to_read_that_is_taken_away_is_no_outage(
    start: Start, api: Role, written: Written
) -> None:
    written.begin("info")
    one = await start(database_url=api.url)
    await eventually(lambda: one.metric("part_up", part="postgresql"))
    api.revoke("SELECT", "boards")

    await eventually(lambda: not one.metric("part_up", part="postgresql"), within_seconds=15)
    part = await postgresql(one)
    assert (part["up"], part["refused"]) == (False, "a right is missing (42501)")
    assert len(written.named("scoreboard.postgres.refused")) == 1  # though asked every second
    await one.stop()


async def test_a_board_that_lost_its_row_is_named_and_goes_on_above_what_was_shown(
    start: Start, database_url: str, written: Written
) -> None:
    """A submission was granted and answered with 500; the comparison ended once a second."""
    written.begin("info")
    one = await start()
    ada, eve = add_users(database_url, 2)
    add_actions(database_url, {"run": 5})
    assert (await one.submit(ada, "run"))[0] == 200
    shown = (await one.board())["version"]
    sql(database_url, "DELETE FROM board")

    assert (await one.submit(eve, "run"))[0] == 503
    assert grants(database_url) == [(ada, "run")]
    await eventually(lambda: not one.metric("part_up", part="postgresql"), within_seconds=15)
    assert (await postgresql(one))["refused"] == "a row is missing (02000)"
    assert [line["event"] for line in at_error(written)] == ["scoreboard.postgres.refused"]
    [gone] = [
        each for each in await fitness.findings(database_url, "all", 7) if each.name == "rows"
    ]

    sql(database_url, gone.to_do)

    async def goes_on() -> bool:
        return board_version(database_url) > shown

    await eventually(goes_on)
    assert (await one.submit(eve, "run"))[0] == 200
    assert len((await one.board())["data"]) == 2
    assert [line["event"] for line in at_error(written)] == ["scoreboard.relay.diverged"]
    await one.stop()


async def test_a_clock_of_revocations_that_is_gone_gives_out_no_token_and_poisons_nobody(
    start: Start, database_url: str, written: Written
) -> None:
    """Every request of the user who logged out was a 500 from then on."""
    written.begin("info")
    one = await start()
    async with one.client.post("/api/auth/register", json=ADA) as response:
        bearer = {"Authorization": f"Bearer {(await response.json())['accessToken']}"}
    sql(database_url, "DELETE FROM revocation_clock")

    async with one.client.post("/api/auth/logout-all", json={}, headers=bearer) as response:
        assert response.status == 503
    async with one.client.post("/api/auth/login", json=ADA_LOGS_IN) as response:
        assert response.status == 503
    async with one.client.get("/api/me", headers=bearer) as response:
        assert response.status == 200
    [line] = at_error(written)
    assert line["event"] == "scoreboard.postgres.refused"
    assert line["error"] == "the row of revocation_clock is gone"
    await one.stop()


async def test_a_constraint_of_somebody_else_is_503_and_named(
    start: Start, database_url: str, written: Written
) -> None:
    written.begin("info")
    one = await start()
    sql(database_url, "ALTER TABLE users ADD CONSTRAINT long CHECK (length(username) > 40)")

    async with one.client.post("/api/auth/register", json=ADA) as response:
        assert (response.status, (await response.json())["code"]) == (503, "ledger_unavailable")
    [line] = at_error(written)
    assert line["event"] == "scoreboard.postgres.refused"
    assert (line["sqlstate"], line["error"]) == ("23514", "constraint long of users")
    await one.stop()


async def test_no_instance_starts_without_a_right_that_it_needs(start: Start, api: Role) -> None:
    api.revoke("UPDATE", "scores")
    with pytest.raises(UnfitDatabase, match=r"lacks UPDATE on scores\. GRANT UPDATE ON scores TO"):
        await start(database_url=api.url, role="api")
    await start(database_url=api.url, role="stream")


async def test_no_instance_starts_where_it_is_not_let_in(start: Start, api: Role) -> None:
    with pytest.raises(DatabaseRefuses, match='role "nobody-here" does not exist'):
        await start(database_url=api.url.replace(api.name, "nobody-here"))


async def test_an_instance_needs_no_more_rights_than_are_listed(
    start: Start, api: Role, written: Written
) -> None:
    """Whoever adds a statement that needs another one adds it to the list, or nobody can grant
    it.
    """
    written.begin("info")
    one = await start(database_url=api.url, refresh_grace_seconds=0)
    add_actions(api.owner_url, {"run": 5})

    async def post(
        path: str, document: dict[str, str], bearer: str = "", status: int = 200
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with one.client.post(path, json=document, headers=headers) as response:
            assert response.status == status, await response.text()
            return dict(await response.json())

    first = await post("/api/auth/register", ADA, status=201)
    tokens = await post("/api/auth/refresh", {"refreshToken": first["refreshToken"]})
    # A replaced token, used again past its grace, ends all.
    await post("/api/auth/refresh", {"refreshToken": first["refreshToken"]}, status=401)
    tokens = await post("/api/auth/login", {key: ADA[key] for key in ("username", "password")})
    bearer = tokens["accessToken"]
    await post("/api/actions", {"actionId": "run"}, bearer)
    for path in ("/api/me", "/api/actions", "/api/leaderboard"):
        async with one.client.get(path, headers={"Authorization": f"Bearer {bearer}"}) as response:
            assert response.status == 200
    change = {"currentPassword": ADA["password"], "newPassword": "lantern over quiet water"}
    tokens = await post("/api/auth/password", change, bearer)
    await post("/api/auth/logout", {"refreshToken": tokens["refreshToken"]})
    await post("/api/auth/logout-all", {}, tokens["accessToken"])
    await one.app[PARTS].accounts.families.purge()
    assert written.named("scoreboard.postgres.refused") == []
    await one.stop()


async def test_an_instance_for_streams_needs_no_more_rights_than_are_listed(
    start: Start, database_url: str, written: Written
) -> None:
    written.begin("info")
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    writer = await start(role="api")
    with a_role(database_url, "stream") as reading:
        one = await start(database_url=reading.url, role="stream")
        stream = await one.open_stream()
        assert (await writer.submit(user, "run"))[0] == 200
        await stream.until(2)
        assert (await one.board())["data"][0]["userId"] == user
        shown = {"where": "ledger", "board": "main"}
        await eventually(lambda: one.metric("board_version", **shown) == 2)
        assert written.named("scoreboard.postgres.refused") == []
        await one.stop()


@pytest.mark.parametrize(
    ("addition", "said"),
    [
        (
            "CREATE UNIQUE INDEX theirs ON users ((email IS NOT NULL))",
            "constraint theirs of users (23505)",
        ),
        (
            "CREATE FUNCTION no () RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE 'no' USING ERRCODE = 'unique_violation'; END$$;"
            " CREATE TRIGGER theirs BEFORE INSERT ON users EXECUTE FUNCTION no()",
            "a constraint (23505)",
        ),
    ],
)
async def test_what_somebody_put_on_our_tables_is_503_and_named(
    start: Start, database_url: str, written: Written, addition: str, said: str
) -> None:
    written.begin("info")
    one = await start(database_url=database_url)
    add_users(database_url, 1)
    sql(database_url, addition)
    async with one.client.post("/api/auth/register", json=ADA) as response:
        assert response.status == 503
        assert (await response.json())["code"] == "ledger_unavailable"
    [line] = at_error(written)
    assert f"{line['error']} ({line['sqlstate']})" == said
    assert "scoreboard check" in line["to_do"]
