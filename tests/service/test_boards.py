"""/api/boards through HTTP: which boards there are, what each shows, its seasons, its stream."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from scoreboard.copies.board import Reading
from scoreboard.live.relay import Relay
from scoreboard.model import BoardId
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance
from tests.service.conftest import Start
from tests.world import add_actions, add_board, add_users, sql

NOW = datetime.now(UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOMENT = "public, max-age=0, s-maxage=1, must-revalidate"


class World(NamedTuple):
    """An instance with boards of every kind, and the users who stand on them."""

    instance: Instance
    database_url: str
    users: list[str]

    async def get(
        self, path: str, user: str | None = None, method: str = "GET", **headers: str
    ) -> tuple[aiohttp.ClientResponse, Any]:
        """An answer of /api/boards, and its document."""
        headers |= {} if user is None else self.instance.bearer(user)
        async with self.instance.client.request(
            method, f"/api/boards{path}", headers=headers
        ) as response:
            return response, await response.json() if await response.read() else None


def add_entries(database_url: str, board_id: str, scores: Mapping[str, int]) -> None:
    """Put entries into the first season of a board, each reached a second after the one before."""
    for second, (user, score) in enumerate(scores.items()):
        sql(
            database_url,
            "INSERT INTO season_entries (season_id, user_id, score, updated_at)"
            " SELECT season_id, %s, %s, starts_at + make_interval(secs => %s) + interval '120 us'"
            " FROM seasons WHERE board_id = %s AND number = 1",
            (user, score, second, board_id),
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(shared_instance: Instance, shared_database_url: str) -> AsyncIterator[World]:
    """Boards whose first season is over, still in its grace, or still to come."""
    url = shared_database_url
    users = add_users(url, 4)
    add_actions(url, {f"a{n}": n for n in range(1, 20)})
    past, present = (NOW - 2 * DAY, NOW - DAY), (NOW - DAY, NOW + DAY)
    to_come = (NOW + DAY, NOW + 2 * DAY)
    dates = {"period": "dates"}
    add_board(url, "weekly", past, present, to_come, title="This week", **dates)
    add_board(url, "graced", past, present, grace_seconds=7 * 24 * 3600, **dates)
    add_board(url, "members", past, present, visibility="token", **dates)
    add_board(url, "sprint", past, present, direction="low", operator="best", size=3, **dates)
    add_board(url, "soon", to_come, state="upcoming", **dates)
    add_board(url, "over", past, **dates)
    for board_id in ("weekly", "graced", "members", "over"):
        add_entries(url, board_id, {users[1]: 7, users[0]: 7, users[2]: 9})
    add_entries(url, "sprint", {users[n]: -n - 1 for n in range(4)})
    parts = shared_instance.app[PARTS]
    await parts.ledger.turn()
    await parts.boards.learn(await parts.ledger.versions())
    yield World(shared_instance, url, users)


# Which boards there are


async def test_main_is_a_board_that_shows_what_it_always_showed(world: World) -> None:
    async with world.instance.client.get("/api/leaderboard") as response:
        seed, of_seed = await response.json(), response.headers
    response, document = await world.get("/main/leaderboard")

    added = {name: document.pop(name) for name in ("boardId", "direction", "season")}
    assert document == seed
    assert response.headers["ETag"] == of_seed["ETag"]
    assert response.headers["Cache-Control"] == of_seed["Cache-Control"]
    assert (added["boardId"], added["direction"]) == ("main", "high")
    assert added["season"] == {
        "number": 1,
        "startsAt": "1970-01-01T00:00:00Z",
        "endsAt": None,
        "state": "running",
    }


async def test_the_list_has_main_first_and_what_a_token_needs_for_who_has_one(
    world: World,
) -> None:
    public = ["main", "graced", "over", "soon", "sprint", "weekly"]
    response, document = await world.get("")
    assert [board["boardId"] for board in document["data"]] == public
    assert response.headers["Cache-Control"] == MOMENT
    assert response.headers["Vary"] == "Authorization"

    response, document = await world.get("", world.users[0])
    everything = ["main", "graced", "members", "over", "soon", "sprint", "weekly"]
    assert [board["boardId"] for board in document["data"]] == everything
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["Vary"] == "Authorization"


async def test_who_comes_with_a_bad_token_sees_what_is_public(world: World) -> None:
    response, document = await world.get("", Authorization="Bearer x")
    assert (response.status, document) == (200, (await world.get(""))[1])


async def test_pages_of_boards_and_of_seasons_lead_from_one_to_the_next(world: World) -> None:
    for path, name in (("", "boardId"), ("/weekly/seasons", "number")):
        whole = (await world.get(path))[1]
        assert whole["next"] is None
        found, after = [], ""
        while True:
            _, page = await world.get(f"{path}?limit=1{after}")
            found += page["data"]
            if page["next"] is None:
                break
            assert page["next"] == page["data"][-1][name]
            after = f"&after={page['next']}"
        assert found == whole["data"]


async def test_a_board_is_shown_as_it_is_defined(world: World) -> None:
    response, document = await world.get("/sprint")
    data = document["data"]
    assert response.headers["Cache-Control"] == MOMENT
    assert {name: data[name] for name in ("title", "direction", "operator", "size")} == {
        "title": "Sprint",
        "direction": "low",
        "operator": "best",
        "size": 3,
    }
    assert (data["season"]["number"], data["season"]["state"]) == (2, "running")
    assert data["version"] == (await world.get("/sprint/leaderboard"))[1]["version"]
    assert (data["actions"], data["closedAt"]) == ([], None)
    [listed] = [one for one in (await world.get(""))[1]["data"] if one["boardId"] == "sprint"]
    assert listed == {name: value for name, value in data.items() if name != "actions"}


async def test_seasons_come_newest_first_and_those_to_come_are_among_them(world: World) -> None:
    response, document = await world.get("/weekly/seasons")
    assert [(one["number"], one["state"]) for one in document["data"]] == [
        (3, "upcoming"),
        (2, "running"),
        (1, "final"),
    ]
    assert response.headers["Cache-Control"] == MOMENT


# What a board shows


async def test_a_board_shows_each_grant_of_its_season_at_once(world: World) -> None:
    user = world.users[0]
    _, before = await world.get("/weekly/leaderboard")
    assert (await world.instance.submit(user, "a5"))[0] == 200

    response, document = await world.get("/weekly/leaderboard")

    assert document["version"] > before["version"]
    assert response.headers["ETag"] == f'"{document["version"]}"'
    assert response.headers["Cache-Control"] == MOMENT
    assert (user, 5) in [(entry["userId"], entry["score"]) for entry in document["data"]]
    assert document["season"]["number"] == 2
    known, body = await world.get(
        "/weekly/leaderboard", **{"If-None-Match": response.headers["ETag"]}
    )
    assert (known.status, body) == (304, None)


async def test_a_board_that_redis_confirms_beside_the_limits_is_answered_without_a_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `main` is: once the copy was compared with the ledger."""
    copy = await world.instance.app[PARTS].boards.of("sprint")
    reads = list[None]()
    read = copy.read

    async def counted() -> Reading:
        reads.append(None)
        return await read()

    monkeypatch.setattr(copy, "read", counted)

    async def is_answered_without() -> bool:
        before = len(reads)
        response, _ = await world.get("/sprint/leaderboard")
        assert response.status == 200
        assert "X-Request-ID" not in response.headers
        return len(reads) == before

    await eventually(is_answered_without, every_seconds=0.2)


async def test_on_a_board_where_low_values_win_the_lowest_comes_first(world: World) -> None:
    for action in ("a7", "a3"):
        await world.instance.submit(world.users[1], action)
    _, document = await world.get("/sprint/leaderboard")
    assert document["direction"] == "low"
    assert [e["score"] for e in document["data"] if e["userId"] == world.users[1]] == [3]
    assert [e["score"] for e in document["data"]] == sorted(e["score"] for e in document["data"])


async def test_the_season_that_runs_is_the_same_board_by_its_number(world: World) -> None:
    answers = [await world.get(f"/weekly/leaderboard{query}") for query in ("", "?season=2")]
    (first, document), (second, same) = answers
    assert document == same
    for name in ("ETag", "Cache-Control"):
        assert first.headers[name] == second.headers[name]


@pytest.mark.parametrize("board_id", ["weekly", "over"])
async def test_a_final_season_is_kept_for_a_moment_with_a_digest_that_anybody_can_check(
    world: World, board_id: str
) -> None:
    path = f"/{board_id}/leaderboard?season=1"
    response, document = await world.get(path)

    assert response.headers["Cache-Control"] == MOMENT
    assert re.fullmatch(r'"[0-9a-f]{16}"', response.headers["ETag"])
    assert not [name for name in response.headers if name.startswith(("RateLimit", "X-Request"))]
    assert (document["season"]["number"], document["season"]["state"]) == (1, "final")
    assert document["closesAt"] == document["season"]["endsAt"]
    # Of two equal scores the one that was reached first.
    assert [entry["userId"] for entry in document["data"]] == [world.users[n] for n in (2, 1, 0)]
    assert re.fullmatch(r"[-0-9]{10}T[0-9:]{8}\.[0-9]{6}Z", document["data"][0]["reachedAt"])
    lines = [
        f"{place} {entry['userId']} {entry['score']} {entry['reachedAt']}"
        for place, entry in enumerate(document["data"], 1)
    ]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == document["digest"]
    _, listed = await world.get(f"/{board_id}/seasons")
    digests = {season["number"]: season["digest"] for season in listed["data"]}
    assert digests == dict.fromkeys(digests) | {1: document["digest"]}
    for method in ("GET", "HEAD"):
        known, body = await world.get(
            path, method=method, **{"If-None-Match": response.headers["ETag"]}
        )
        assert (known.status, body) == (304, None)
        assert known.headers["Cache-Control"] == response.headers["Cache-Control"]


async def test_a_final_board_has_as_many_entries_as_the_board_has_places(world: World) -> None:
    _, document = await world.get("/sprint/leaderboard?season=1")
    assert [entry["score"] for entry in document["data"]] == [1, 2, 3]


async def test_a_season_in_its_grace_is_shown_and_kept_by_caches_for_a_moment(
    world: World,
) -> None:
    response, document = await world.get("/graced/leaderboard?season=1")
    assert response.headers["Cache-Control"] == MOMENT
    assert document["season"]["state"] == "ended"
    assert document["digest"] is None
    assert document["closesAt"] > document["season"]["endsAt"]
    assert len(document["data"]) == 3


async def test_a_season_to_come_has_no_entries_yet(world: World) -> None:
    for path in ("/weekly/leaderboard?season=3", "/soon/leaderboard?season=1"):
        response, document = await world.get(path)
        assert (response.status, document["data"], document["digest"]) == (200, [], None)
        assert document["season"]["state"] == "upcoming"
        assert response.headers["Cache-Control"] == MOMENT
    _, document = await world.get("/soon/leaderboard")
    assert (document["data"], document["season"]) == ([], None)


async def test_a_board_without_a_season_that_runs_shows_the_last_one(world: World) -> None:
    response, document = await world.get("/over/leaderboard")
    assert response.headers["Cache-Control"] == MOMENT
    assert (document["season"]["number"], document["season"]["state"]) == (1, "final")
    assert len(document["data"]) == 3


async def test_what_is_not_there_is_said_not_to_be_there(world: World) -> None:
    unknown = ("nope", "Main", "main-", "-", "a" * 51, "m%C3%A4in", "%31%E2%80%8B", "a%2Fb", "%00")
    for board_id in unknown:
        for below in ("", "/leaderboard", "/seasons", "/stream"):
            response, document = await world.get(f"/{board_id}{below}")
            assert (response.status, document["code"]) == (404, "unknown_board"), board_id
            assert response.headers["Cache-Control"] == "no-store"
    for number in (4, 2_147_483_647):
        response, document = await world.get(f"/weekly/leaderboard?season={number}")
        assert (response.status, document["code"]) == (404, "unknown_season")
        assert response.headers["Cache-Control"] == "no-store"
    for number in (0, 2_147_483_648, 9_999_999_999):
        response, document = await world.get(f"/weekly/leaderboard?season={number}")
        assert (response.status, list(document["errors"])) == (400, ["season"])


async def test_a_season_that_has_just_begun_elsewhere_is_not_shown_as_an_empty_one(
    world: World,
) -> None:
    """Its board is on its way: nobody may keep an answer without entries for it."""
    add_board(world.database_url, "new", (NOW - DAY, NOW + DAY), period="dates")
    await world.get("/new")
    copy = await world.instance.app[PARTS].boards.of("new")
    await copy.read()
    sql(
        world.database_url,
        "INSERT INTO seasons (board_id, number, previous_ends_at, starts_at, ends_at, closes_at,"
        " state) SELECT board_id, 2, ends_at, ends_at, ends_at + interval '1 day',"
        " ends_at + interval '1 day', 'running' FROM seasons WHERE board_id = 'new'",
    )
    response, document = await world.get("/new/leaderboard?season=2")
    assert (response.status, document["code"]) == (503, "unavailable")
    assert response.headers["Retry-After"] == "1"


# Who may see a board


async def test_a_board_for_members_is_shown_to_who_has_a_token_and_kept_by_no_shared_cache(
    world: World,
) -> None:
    for below in ("", "/leaderboard", "/leaderboard?season=1", "/seasons", "/stream"):
        response, document = await world.get(f"/members{below}")
        assert (response.status, document["code"]) == (403, "not_authorized"), below
        response, document = await world.get(f"/members{below}", Authorization="Bearer x")
        assert (response.status, document["code"]) == (403, "invalid_token"), below
    for below in ("", "/leaderboard", "/leaderboard?season=1", "/seasons"):
        response, document = await world.get(f"/members{below}", world.users[0])
        assert response.status == 200, below
        assert response.headers["Cache-Control"] == "private, no-cache"
        assert response.headers["Vary"] == "Authorization"
        assert "X-Request-ID" in response.headers


async def test_a_board_that_becomes_one_for_members_is_kept_by_no_shared_cache_any_more(
    world: World,
) -> None:
    add_board(world.database_url, "club", (NOW - DAY, NOW + DAY), period="dates")
    response, _ = await world.get("/club/leaderboard")
    assert response.headers["Cache-Control"] == MOMENT
    sql(
        world.database_url,
        "UPDATE boards SET visibility = 'token', defined_at = clock_timestamp()"
        " WHERE board_id = 'club'",
    )
    parts = world.instance.app[PARTS]
    await parts.boards.learn(await parts.ledger.versions())

    response, _ = await world.get("/club/leaderboard")
    assert response.status == 403
    response, _ = await world.get("/club/leaderboard", world.users[0])
    assert (response.status, response.headers["Cache-Control"]) == (200, "private, no-cache")


async def test_a_stream_for_members_ends_with_its_token(world: World) -> None:
    [user] = add_users(world.database_url, 1, "member")
    stream = await world.instance.open_stream(
        "/api/boards/members/stream", headers=world.instance.bearer(user)
    )
    await eventually(lambda: stream.boards)
    await world.instance.app[PARTS].accounts.log_out_everywhere(user)
    await eventually(lambda: stream.ended)
    assert stream.events[-1].name == "closing"
    assert stream.events[-1].data["code"] == "revoked_token"


async def test_where_reading_needs_a_token_every_board_needs_one(
    start: Start, database_url: str
) -> None:
    closed = await start(require_token_to_read=True)
    [user] = add_users(database_url, 1)
    for path in ("", "/main", "/main/leaderboard", "/main/seasons", "/main/stream", "/nope"):
        async with closed.client.get(f"/api/boards{path}") as response:
            assert (response.status, (await response.json())["code"]) == (403, "not_authorized")
        if path in ("/main/stream", "/nope"):
            continue
        async with closed.client.get(f"/api/boards{path}", headers=closed.bearer(user)) as response:
            assert response.status == 200
            assert response.headers["Cache-Control"] == "private, no-cache"
            assert response.headers["Vary"] == "Authorization"


# Streams


async def test_a_stream_of_a_board_begins_with_the_board_and_has_each_newer_one(
    world: World,
) -> None:
    """Also the first stream of a board that nobody here has followed."""
    streams = [
        await world.instance.open_stream(f"/api/boards/{board_id}/stream")
        for board_id in ("graced", "main")
    ]
    for stream in streams:
        await eventually(lambda stream=stream: stream.boards)  # type: ignore[misc]
        assert stream.response.headers["Cache-Control"] == "no-cache, no-transform"
        assert stream.events[0].name == "connected"
        assert len(stream.retries) == 1
    first, of_main = streams[0].boards[0], streams[1].boards[0]
    assert (first.data["boardId"], first.data["direction"]) == ("graced", "high")
    assert first.data["season"]["number"] == 2
    assert set(of_main.data) == {"topUsers", "timestamp"}

    await world.instance.submit(world.users[3], "a11")

    await streams[0].until(int(first.event_id or 0) + 1)
    update = streams[0].boards[-1]
    assert update.data["topUsers"][0]["userId"] == world.users[3]
    _, document = await world.get("/graced/leaderboard")
    assert (update.data["topUsers"], update.event_id) == (
        document["data"],
        str(document["version"]),
    )


async def test_the_first_stream_of_a_board_begins_with_it_though_nobody_compares(
    start: Start, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_board(database_url, "weekly", (NOW - DAY, NOW + DAY), period="dates")
    instance = await start()
    await eventually(lambda: instance.app[PARTS].boards.knows(BoardId("weekly")))

    async def reconcile(_: Relay) -> None: ...

    monkeypatch.setattr(Relay, "reconcile", reconcile)
    stream = await instance.open_stream("/api/boards/weekly/stream")
    await stream.until(1)


async def test_streams_of_all_boards_count_together(start: Start, database_url: str) -> None:
    add_board(database_url, "weekly", (NOW - DAY, NOW + DAY), period="dates")
    of_address = await start(streams_per_ip=2)
    paths = ("/api/leaderboard/stream", "/api/boards/main/stream", "/api/boards/weekly/stream")
    for path in paths[:2]:
        await of_address.open_stream(path)
    async with of_address.client.get(paths[2]) as response:
        assert (response.status, (await response.json())["code"]) == (429, "too_many_streams")
    of_instance = await start(subscribers_max=1)
    await of_instance.open_stream(paths[2])
    async with of_instance.client.get(paths[1]) as response:
        assert (response.status, (await response.json())["code"]) == (503, "overloaded")


@pytest.mark.parametrize("role", ["api", "stream"])
async def test_every_role_shows_boards_and_those_that_serve_streams_stream_them(
    start: Start, role: str
) -> None:
    instance = await start(role=role)
    for path in ("", "/main", "/main/leaderboard", "/main/seasons"):
        async with instance.client.get(f"/api/boards{path}") as response:
            assert response.status == 200, path
    async with instance.client.get("/api/boards/main/stream") as response:
        assert response.status == (404 if role == "api" else 200)
