"""What strangers can ask of rankings: any place, any number of times, and what players are told."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from scoreboard.model import MAIN, BoardId
from scoreboard.parts import PARTS
from scoreboard.personal_streams import followers
from scoreboard.ranks.keys import KEY_BYTES, MAIN_RANKING, RankingId, key_of
from scoreboard.scoring import cursors
from scoreboard.scoring.cursors import Cursor
from tests.attacks.conftest import Start
from tests.attacks.test_fuzz import failures
from tests.eventually import eventually
from tests.instances import Instance, Stream
from tests.ranks_world import a_process, add_scores
from tests.world import add_actions, add_board, add_users, sql

NOW, DAY = datetime.now(UTC), timedelta(days=1)
ENTRIES = "/api/boards/main/entries"


async def answer(
    instance: Instance, path: str, user: str | None = None
) -> tuple[int, dict[str, Any]]:
    headers = instance.bearer(user) if user else {}
    async with instance.client.get(path, headers=headers) as response:
        document: dict[str, Any] = await response.json()
        return response.status, document


def made_up_keys() -> list[bytes]:
    """Keys that no entry has, at the ends of what a key may hold and between entries."""
    scores = (-(1 << 62), -(1 << 31), -1, 0, 5, 495, 1000, 1 << 31, 1 << 62)
    keys = [key_of(score, NOW - 5 * DAY, str(uuid.uuid4())) for score in scores]
    for beginning in (keys[0][:8], keys[3][:8], keys[-1][:8]):
        for moment in (bytes(8), b"\x7f" + b"\xff" * 7, b"\x80" + bytes(7), b"\xff" * 8):
            keys += beginning + moment + bytes(16), beginning + moment + b"\xff" * 16
    return sorted(keys)


async def test_made_up_cursors_lead_to_places_and_nowhere_else(
    instance: Instance, database_url: str
) -> None:
    """Their sum is no secret: whoever reads the source can make one."""
    add_scores(database_url, 400)
    for key in made_up_keys():
        cursor = cursors.written(Cursor(None, key), MAIN)
        status, behind = await answer(instance, f"{ENTRIES}?limit=5&after={cursor}")
        assert status == 200, key
        status, before = await answer(instance, f"{ENTRIES}?limit=5&before={cursor}")
        assert status == 200, key
        lines = [*before["data"], *behind["data"]]
        assert len(lines) >= 5
        assert all(one["rank"] + 1 == other["rank"] for one, other in pairwise(lines)), key
        assert [line for line in lines if _key(line) <= key] == before["data"]
    assert failures(instance) == []


async def test_what_is_no_cursor_is_refused_before_anything_is_asked(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_question(*_: object, **__: object) -> None:
        raise AssertionError("asked for")

    monkeypatch.setattr(instance.app[PARTS].places, "page", no_question)
    key = key_of(5, NOW, str(uuid.uuid4()))
    good = cursors.written(Cursor(None, key), MAIN)
    for made_up in (
        cursors.written(Cursor(None, key), BoardId("weekly")),
        cursors.written(Cursor(None, b"\xff" * KEY_BYTES), MAIN),  # no score is so low
        cursors.written(Cursor(None, bytes(KEY_BYTES)), MAIN),  # nor so high
        good[:-1],
        good + "A",
        good[:20] + ("A" if good[20] != "A" else "B") + good[21:],
        good.swapcase(),
        "%00" * cursors.CURSOR_CHARS,
    ):
        for name in ("after", "before"):
            status, document = await answer(instance, f"{ENTRIES}?{name}={made_up}")
            assert (status, list(document["errors"])) == (400, [name])


async def test_a_cursor_of_a_season_that_is_not_there_finds_none(instance: Instance) -> None:
    key = key_of(5, NOW, str(uuid.uuid4()))
    for season in (2, 2**31 - 1):
        cursor = cursors.written(Cursor(season, key), MAIN)
        assert (await answer(instance, f"{ENTRIES}?after={cursor}"))[0] == 404


async def test_what_is_not_there_is_neither_loaded_nor_remembered(
    start: Start, database_url: str
) -> None:
    past, present = (NOW - 2 * DAY, NOW - DAY), (NOW - DAY, NOW + DAY)
    add_board(database_url, "brief", past, present, period="dates", keep_full_seconds=0)
    instance = await start()
    parts = instance.app[PARTS]
    await parts.ledger.turn()
    await parts.boards.learn(await parts.ledger.versions())
    before = dict(parts.ranks._asked)
    for path in (
        *(f"/api/boards/nope{n}/entries" for n in range(20)),
        *(f"/api/boards/brief/entries?season={n}" for n in range(3, 40)),
        "/api/boards/brief/entries?season=1",  # its entries are not kept
        "/api/boards/brief/entries?season=x",
    ):
        assert (await answer(instance, path))[0] in (400, 404, 410)
    assert parts.ranks._asked.keys() - before.keys() <= {MAIN_RANKING}


async def test_who_asks_for_one_season_after_the_other_keeps_nobody_waiting(
    database_url: str,
) -> None:
    """A season may take many seconds to load, and there are many that are over."""
    async with a_process(database_url) as process:
        for _ in range(2):
            process.ranks.held(MAIN_RANKING)
        for number in range(1, 1_001):
            process.ranks.held(RankingId(number))
        await process.ranks.load_next()
        assert [each.ranking_id for each in process.ranks.all_held()] == [MAIN_RANKING]


async def test_follows_beyond_what_an_instance_holds_cost_it_nothing(
    instance: Instance, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has many accounts may open many streams, of which each user follows a thousand."""
    monkeypatch.setattr(followers, "FOLLOWS_HELD_MAX", 10)
    ada, bob, *others = add_users(database_url, 42)
    for user in (ada, bob):
        sql(
            database_url,
            "INSERT INTO follows (user_id, followed_id) SELECT %s, unnest(%s::uuid[])",
            (user, others),
        )
    streams = [await _opened(instance, user) for user in (ada, ada, bob)]
    room = instance.app[PARTS].personal_streams
    await eventually(lambda: len(room.subscribers) == len(streams))
    of_streams = [each.asked.follows for each in room.subscribers]
    of_users = [each.follows for each in room._watching.users.values()]
    assert sum(map(len, [*of_streams, *of_users])) == 10


async def test_who_is_hidden_is_told_of_to_nobody(instance: Instance, database_url: str) -> None:
    """Not as who stands before, not in lists, not among friends, not by name; as if not there."""
    ada, bob, *hidden = add_users(database_url, 5)
    add_actions(database_url, {"run": 5, "swim": 7})
    for user in (*hidden, bob, ada):
        await instance.submit(user, "run")
        await instance.submit(user, "swim")
    for user, why in zip(hidden, ("hidden_at", "banned_at", "hidden_at"), strict=True):
        sql(database_url, f"UPDATE users SET {why} = now() WHERE user_id = %s", (user,))
        sql(database_url, "UPDATE scores SET hidden = TRUE WHERE user_id = %s", (user,))
    nobody = str(uuid.uuid4())
    asked = ",".join([*hidden, nobody, ada])
    asked_by: tuple[tuple[str, str | None], ...] = (
        ("/api/boards/main/me?around=50", ada),
        (f"/api/boards/main/users/{bob}", None),
        (ENTRIES, None),
        (f"{ENTRIES}?users={asked}", None),
        (f"{ENTRIES}?rank=1&limit=100", None),
        ("/api/me/follows", ada),
    )
    for path, reader in asked_by:
        status, document = await answer(instance, path, reader)
        assert status == 200
        assert not [each for each in hidden if each in str(document)], path
    _, first = await answer(instance, f"/api/boards/main/users/{bob}")
    assert (first["data"]["place"]["rank"], first["data"]["next"], first["total"]) == (1, None, 2)
    expected = await answer(instance, f"/api/boards/main/users/{nobody}")
    assert expected[0] == 404
    for user in hidden:
        status, document = await answer(instance, f"/api/boards/main/users/{user}")
        assert (status, document["code"]) == (404, expected[1]["code"])
    # A cursor of a line that has gone since leads on, and names nobody but who held it before.
    key = key_of(12, NOW, hidden[0])
    cursor = cursors.written(Cursor(None, key), MAIN)
    _, page = await answer(instance, f"{ENTRIES}?before={cursor}")
    assert (page["next"], page["previous"], page["total"]) == (None, None, 2)


def _key(line: dict[str, Any]) -> bytes:
    reached_at = datetime.fromisoformat(line["reachedAt"])
    return key_of(line["score"], reached_at, line["userId"])


async def _opened(instance: Instance, user: str) -> Stream:
    return await instance.open_stream("/api/me/stream", headers=instance.bearer(user))
