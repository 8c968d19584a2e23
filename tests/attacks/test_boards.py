"""What strangers can do with ids of boards and numbers of seasons: each is one path more, of which
nothing is looked for, remembered or counted by its name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scoreboard.api.answers import ANSWERS
from scoreboard.copies.boards import ASKED_EVERY_SECONDS
from scoreboard.limits.rates import RateLimiter
from scoreboard.parts import PARTS
from tests.attacks.conftest import Start
from tests.instances import Instance
from tests.world import add_board, add_users

NOBODY = "00000000-0000-4000-8000-000000000000"
NOW, DAY = datetime.now(UTC), timedelta(days=1)
STRANGE = (
    "",
    "0",
    "-1",
    "+1",
    " 1",
    "1 ",
    "1_0",
    "01",
    "1.0",
    "1e3",
    "0x1",
    "٣",
    "一",
    "1;2",
    "9" * 300,
)


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


def series(instance: Instance) -> set[str]:
    """Every series of metrics that there is now, by its labels."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}"
        for metric in instance.app[PARTS].metrics.registry.collect()
        for sample in metric.samples
    }


async def statuses(instance: Instance, paths: Sequence[str]) -> set[int]:
    async def status(path: str) -> int:
        async with instance.client.get(path) as response:
            await response.read()
            return response.status

    return set(await asyncio.gather(*map(status, paths)))


async def test_boards_that_are_not_there_are_looked_for_together_and_leave_nothing_behind(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = instance.app[PARTS]
    await statuses(instance, ["/api/boards/nope", "/api/boards/main/leaderboard"])
    asked, beside = list[None](), set[object]()
    versions, check = parts.ledger.versions, RateLimiter.check

    async def counted_versions() -> Any:
        asked.append(None)
        return await versions()

    async def seen_check(limiter: RateLimiter, checks: Any, *, also: Any = None) -> Any:
        beside.add(also)
        return await check(limiter, checks, also=also)

    monkeypatch.setattr(parts.ledger, "versions", counted_versions)
    monkeypatch.setattr(RateLimiter, "check", seen_check)
    before, copies = series(instance), len(parts.boards._copies)
    began = time.monotonic()
    for burst in range(4):
        paths = [f"/api/boards/b{burst}-{n}/leaderboard" for n in range(250)]
        assert await statuses(instance, paths) == {404}
    seconds = time.monotonic() - began

    # The relay asks once a second as well.
    assert len(asked) <= 2 + seconds / ASKED_EVERY_SECONDS + seconds / 0.8
    assert beside == {None}  # nothing was looked for in Redis
    assert len(parts.boards._copies) == copies
    assert not [name for name in instance.app[ANSWERS]._others if name.startswith("b")]
    assert not [name for name in series(instance) - before if "b0-" in name or "b3-" in name]


async def test_what_is_no_id_of_a_board_is_refused_without_a_look(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_look(_: str) -> None:
        raise AssertionError("looked for")

    monkeypatch.setattr(instance.app[PARTS].boards, "find", no_look)
    ids = ("%D0%B0", "M", "a_b", "a.b", "..%2F", "%00", "a" * 51, "a" * 7000, "%C3%28", "a%0Ab")
    for below in ("", "/seasons", "/leaderboard", "/stream", "/entries", f"/users/{NOBODY}"):
        assert await statuses(instance, [f"/api/boards/{each}{below}" for each in ids]) == {404}


async def test_what_is_no_number_of_a_season_is_refused_without_a_question(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_question(*_: object, **__: object) -> None:
        raise AssertionError("asked for")

    monkeypatch.setattr(instance.app[PARTS].definitions, "season", no_question)
    monkeypatch.setattr(instance.app[PARTS].definitions, "seasons", no_question)
    for name in ("find", "window", "page"):
        monkeypatch.setattr(instance.app[PARTS].places, name, no_question)
    for path, name in (
        ("leaderboard", "season"),
        ("seasons", "after"),
        ("entries", "season"),
        ("entries", "limit"),
        ("entries", "rank"),
        ("entries", "users"),
        ("entries", "after"),
        ("entries", "before"),
        (f"users/{NOBODY}", "season"),
    ):
        paths = [f"/api/boards/main/{path}?{name}={each}" for each in STRANGE]
        assert await statuses(instance, paths) == {400}


async def test_a_board_for_members_tells_strangers_nothing_but_that_it_is_there(
    start: Start, database_url: str
) -> None:
    """By no path, condition, method or cache."""
    present = ((NOW - 2 * DAY, NOW - DAY), (NOW - DAY, NOW + DAY))
    add_board(database_url, "members", *present, visibility="token", title="Secret", period="dates")
    instance = await start()
    await instance.app[PARTS].ledger.turn()
    [user] = add_users(database_url, 1)
    for below in ("", "/leaderboard", "/leaderboard?season=1", "/seasons", "/entries"):
        path = f"/api/boards/members{below}"
        async with instance.client.get(path, headers=instance.bearer(user)) as response:
            assert response.status == 200
            tag = response.headers["ETag"]
        for method in ("GET", "HEAD"):
            for fields in ({}, {"If-None-Match": tag}, {"If-None-Match": "*"}, {"If-Match": '"x"'}):
                async with instance.client.request(method, path, headers=fields) as response:
                    assert response.status == 403, (path, fields)
                    assert "ETag" not in response.headers
                    assert response.headers["Cache-Control"] == "no-store"
    for ending in ("/leaderboard/x.css", "/leaderboard;x.css", "%2Fleaderboard", "/leaderboard%00"):
        async with instance.client.get(
            f"/api/boards/members{ending}", headers=instance.bearer(user)
        ) as response:
            assert response.status == 404
    async with instance.client.get("/api/boards?limit=1000") as response:
        assert "Secret" not in await response.text()
