"""Two hundred people behind one address, with the settings that docs/operations.md says they need.

One test, because the people are what takes time.
"""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from scoreboard.accounts import passwords
from tests.instances import Instance, Stream
from tests.service.conftest import Start
from tests.world import add_actions

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = 200
AT_ONCE = 20
ACTIONS = ("first-win", "second-win", "third-win")


def as_shipped() -> dict[str, Any]:
    """The limits of config/default.toml, which other tests lift."""
    with (ROOT / "config" / "default.toml").open("rb") as file:
        defaults = tomllib.load(file)
    return {
        key: value
        for key, value in defaults.items()
        if key.startswith(("rate_limit_", "streams_per_", "connections_"))
    }


def for_a_hall() -> dict[str, str]:
    """The settings of the section about many people behind one address."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    _, _, section = text.partition("### Many people behind one address\n")
    section, _, _ = section.partition("\n#")
    found = re.findall(r"^ {4}export SCOREBOARD_(\w+)=(\S+)$", section, re.MULTILINE)
    return {key.lower(): value for key, value in found}


@dataclass
class Hall:
    """People who do one thing after another; each answer is counted by what was asked."""

    instance: Instance
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    streams: list[Stream] = field(default_factory=list)

    async def ask(self, method: str, path: str, token: str = "", **body: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.instance.client.request(
            method, path, json=body or None, headers=headers
        ) as response:
            self.answers[path, response.status] += 1
            is_json = response.content_type == "application/json"
            return await response.json() if is_json else {}

    async def come_and_play(self, number: int) -> dict[str, Any]:
        """Look, register, watch, play; refresh once, as one does after a quarter of an hour."""
        for path in ("/", "/api/leaderboard"):
            await self.ask("GET", path)
        name = {"username": f"guest{number}", "password": f"password of guest {number}"}
        pair = await self.ask(
            "POST", "/api/auth/register", **name, email=f"guest{number}@example.org"
        )
        self.streams.append(await self.instance.open_stream())
        for action in ACTIONS[:2]:
            await self.ask("POST", "/api/actions", pair["accessToken"], actionId=action)
        pair = await self.ask("POST", "/api/auth/refresh", refreshToken=pair["refreshToken"])
        await self.ask("POST", "/api/actions", pair["accessToken"], actionId=ACTIONS[2])
        await self.ask("GET", "/api/me", pair["accessToken"])
        if number % 5 == 0:
            await self.ask("POST", "/api/auth/logout", refreshToken=pair["refreshToken"])
            pair = await self.ask("POST", "/api/auth/login", **name)
        return pair


async def test_two_hundred_people_behind_one_address_play_with_the_settings_of_the_docs(
    start: Start, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What passwords cost is tested elsewhere, and would be most of the time here.
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "TIME_COST", 1)
    add_actions(database_url, dict.fromkeys(ACTIONS, 10))
    # The people share the processor with the service here, so they are told less often.
    limits = as_shipped() | for_a_hall()
    hall = Hall(await start(push_interval_seconds=5.0, **limits))
    doors = asyncio.Semaphore(AT_ONCE)

    async def guest(number: int) -> dict[str, Any]:
        async with doors:
            return await hall.come_and_play(number)

    # Somebody in the hall logs nobody out, over and over: that is nobody else's business.
    nuisance = {"refreshToken": "A" * 43}
    for _ in range(300):
        async with hall.instance.client.post("/api/auth/logout", json=nuisance) as response:
            if response.status == 429:
                break
    assert response.status == 429

    pairs = await asyncio.gather(*map(guest, range(PEOPLE)))
    await asyncio.gather(
        *(
            hall.ask("POST", "/api/auth/refresh", refreshToken=pair["refreshToken"])
            for pair in pairs
        )
    )

    assert {status for _, status in hall.answers} == {200, 201}, hall.answers
    assert hall.answers["/api/auth/register", 201] == PEOPLE
    assert hall.answers["/api/auth/refresh", 200] == 2 * PEOPLE
    assert hall.answers["/api/actions", 200] == len(ACTIONS) * PEOPLE
    assert len(hall.streams) == PEOPLE
    assert not any(stream.ended for stream in hall.streams)
    assert hall.instance.metric("rate_limit_checks_local_total") == 0
