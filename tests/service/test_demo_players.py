"""The way back from a demo: its players are deleted, and nobody else, while people watch."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import httpx
import pytest

from scoreboard.client import AsyncUserClient
from scoreboard.configuration import sources as configuration
from scoreboard.demo import marks as demo_marks
from scoreboard.demo.players import Player
from tests.commands import command
from tests.eventually import eventually
from tests.instances import Instance
from tests.operator import Operator
from tests.service.conftest import Start
from tests.world import add_actions, ledger_sums, scores, sql

ACTIONS = {"one": 5, "two": 7}


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


async def players(instance: Instance, count: int) -> list[Player]:
    """Players of the demo, each with an action."""
    marks = demo_marks.kept_or_new()
    async with httpx.AsyncClient() as http:
        new = partial(AsyncUserClient, instance.url, http=http)
        found = [await Player.register(new, ACTIONS, marks) for _ in range(count)]
        for player in found:
            assert (await player.client.submit("one")).score == ACTIONS["one"]
    return found


async def stranger(instance: Instance, username: str, email: str) -> str:
    """Somebody who registers as the demo's players do, and plays; the access token."""
    account = {"username": username, "email": email, "password": "long enough for this"}
    async with instance.client.post("/api/auth/register", json=account) as response:
        assert response.status == 201, await response.text()
        token: str = (await response.json())["accessToken"]
    bearer = {"Authorization": f"Bearer {token}"}
    async with instance.client.post(
        "/api/actions", json={"actionId": "two"}, headers=bearer
    ) as response:
        assert response.status == 200
    return token


async def test_the_players_of_the_demo_are_deleted_and_nobody_who_looks_like_one(
    start: Start, operator: Operator, database_url: str
) -> None:
    instance, other = await start(), await start()
    add_actions(database_url, ACTIONS)
    played = await players(instance, 3)
    looks_like_one = {
        "ada-3f2a1b": "ada-3f2a1b@example.org",
        "grace-000000": f"0123456789abcdef.{'0' * 32}{demo_marks.ENDING}",
    }
    for name, email in looks_like_one.items():
        await stranger(instance, name, email)
    streams = [await each.open_stream() for each in (instance, other)]

    said = await operator("users", "delete-demo", "--json")
    assert (said.code, said.out, said.failure["code"]) == (1, "", "not_confirmed")
    assert "3 players of the demo" in said.failure["message"]
    assert len(names_of(database_url)) == 5
    listed = (await operator("users", "list", "--demo", "--json")).document
    assert {user["username"] for user in listed} == {player.username for player in played}

    said = await operator("users", "delete-demo", "--yes", "--json")
    assert said.code == 0, said.err
    assert (said.document["deleted"], said.document["others"]) == (3, 1)
    for stream in streams:
        await stream.until(said.document["version"])
        shown = stream.boards[-1].data["topUsers"]
        assert {entry["username"] for entry in shown} == set(looks_like_one)
    assert scores(database_url) == ledger_sums(database_url)
    assert names_of(database_url) == set(looks_like_one)
    await eventually(lambda: _agrees(operator))
    said = await operator("users", "delete-demo", "--yes", "--json")
    assert (said.code, said.document) == (0, {"deleted": 0, "others": 1})
    said = await operator("board", "rebuild", "--json")
    assert said.document["corrected"] == 0


async def _agrees(operator: Operator) -> bool:
    return (await operator("board", "verify")).code == 0


async def test_a_demo_that_runs_goes_on_with_new_players(
    instance: Instance, operator: Operator, database_url: str, tmp_path: Path
) -> None:
    file = str(configuration.shipped("config") / "demo-actions.csv")
    assert (await operator("actions", "load", file)).code == 0
    demo = ("demo", "--url", instance.url, "--rate", "20/second", "--seconds", "10")
    playing = asyncio.create_task(command({"XDG_STATE_HOME": str(tmp_path)}, *demo))
    await eventually(lambda: len(scores(database_url)) >= 3, within_seconds=30)
    before = names_of(database_url)

    said = await operator("users", "delete-demo", "--yes", "--json")
    assert said.code == 0, said.err
    assert said.document["deleted"] >= len(before)
    assert not before & names_of(database_url)
    assert scores(database_url) == ledger_sums(database_url)
    await eventually(lambda: scores(database_url), within_seconds=30)  # by new players
    code, out = await playing
    assert code == 0, out
    assert scores(database_url) == ledger_sums(database_url)


def names_of(database_url: str) -> set[str]:
    """The names of all users."""
    return {name for (name,) in sql(database_url, "SELECT username FROM users")}
