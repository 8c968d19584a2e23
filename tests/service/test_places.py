"""Everybody's place through HTTP: mine with who is around, another user's, pages of a ranking."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from scoreboard.ledger.moderation import Order
from scoreboard.model import BoardId
from scoreboard.parts import PARTS
from scoreboard.ranks.keys import key_of
from scoreboard.scoring import cursors
from scoreboard.scoring.cursors import Cursor
from scoreboard.timestamps import exact_timestamp
from tests.instances import Instance
from tests.service.conftest import Start
from tests.world import add_actions, add_board, add_users, sql

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
NOBODY = "5d2d8a52-8a5f-4f4c-9b5c-0d9c0d7a1e11"
PAST, PRESENT = (NOW - 2 * DAY, NOW - DAY), (NOW - DAY, NOW + DAY)
MOMENT = "public, max-age=0, s-maxage=1, must-revalidate"
# Of twelve users, best first: two ties, one of them of three.
SCORES = (90, 80, 80, 70, 60, 60, 60, 50, 40, 30, 20, 10)
COMPETITION = (1, 2, 2, 4, 5, 5, 5, 8, 9, 10, 11, 12)
DENSE = (1, 2, 2, 3, 4, 4, 4, 5, 6, 7, 8, 9)
# Where low scores win, a score is so much less one of these.
LOW = 100


class World(NamedTuple):
    """An instance with boards, on each of which twelve users stand in their order. `absent` is on
    none, and `hidden` would be the best.
    """

    instance: Instance
    database_url: str
    users: list[str]
    absent: str
    hidden: str

    async def get(
        self, path: str, user: str | None = None, method: str = "GET", **headers: str
    ) -> tuple[aiohttp.ClientResponse, Any]:
        """An answer of /api/boards, and its document."""
        headers |= {} if user is None else self.instance.bearer(user)
        async with self.instance.client.request(
            method, f"/api/boards{path}", headers=headers
        ) as response:
            return response, await response.json() if await response.read() else None

    async def found(self, path: str, user: str | None = None) -> Any:
        """The document of an answer that is no refusal."""
        response, document = await self.get(path, user)
        assert (response.status, document["success"]) == (200, True), document
        return document

    async def refusal(self, path: str, user: str | None = None) -> tuple[int, str]:
        """What a request is refused with."""
        response, document = await self.get(path, user)
        return response.status, document["code"]

    async def problem(self, path: str) -> dict[str, list[str]]:
        """What is said of each parameter of a query that is not valid."""
        response, document = await self.get(path)
        assert (response.status, document["code"]) == (400, "invalid_payload"), document
        problems: dict[str, list[str]] = document["errors"]
        return problems

    def at(self, *ranks: int) -> list[str]:
        """Who stands there."""
        return [self.users[rank - 1] for rank in ranks]


def reached_at(rank: int) -> datetime:
    """When the one of that rank reached the score."""
    return NOW - 2 * DAY + timedelta(seconds=rank, microseconds=120)


def add_entries(database_url: str, board_id: str, users: list[str], hidden: str) -> None:
    """Put entries into each season of a board, for users in their order and a hidden one."""
    rows = [
        (user, score, n + 1, False)
        for n, (user, score) in enumerate(zip(users, SCORES, strict=True))
    ]
    for user, score, rank, is_hidden in [*rows, (hidden, 1000, 0, True)]:
        said = (user, score - LOW if board_id == "sprint" else score, reached_at(rank), is_hidden)
        if board_id == "main":
            sql(
                database_url,
                "INSERT INTO scores (user_id, score, updated_at, hidden) VALUES (%s, %s, %s, %s)",
                said,
            )
        else:
            sql(
                database_url,
                "INSERT INTO season_entries (season_id, user_id, score, updated_at, hidden)"
                " SELECT season_id, %s, %s, %s, %s FROM seasons WHERE board_id = %s",
                (*said, board_id),
            )


async def a_world(instance: Instance, url: str) -> World:
    """Boards with a season that is over and one that runs, both with the same entries."""
    *users, absent, hidden = add_users(url, 14)
    sql(url, "UPDATE users SET hidden_at = now() WHERE user_id = %s", (hidden,))
    dates: dict[str, Any] = {"period": "dates"}
    add_board(url, "weekly", PAST, PRESENT, **dates)
    add_board(url, "members", PAST, PRESENT, visibility="token", **dates)
    add_board(url, "sprint", PAST, PRESENT, direction="low", operator="best", **dates)
    add_board(url, "brief", PAST, PRESENT, keep_full_seconds=0, **dates)
    add_board(url, "soon", (NOW + DAY, NOW + 2 * DAY), state="upcoming", **dates)
    for board_id in ("main", "weekly", "members", "sprint", "brief"):
        add_entries(url, board_id, users, hidden)
    parts = instance.app[PARTS]
    await parts.ledger.turn()
    await parts.boards.learn(await parts.ledger.versions())
    return World(instance, url, users, absent, hidden)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(shared_instance: Instance, shared_database_url: str) -> AsyncIterator[World]:
    yield await a_world(shared_instance, shared_database_url)


@pytest.fixture
async def own_world(instance: Instance, database_url: str) -> World:
    """One that a test may change."""
    return await a_world(instance, database_url)


def who(lines: list[dict[str, Any]]) -> list[str]:
    return [line["userId"] for line in lines]


def ranks(lines: list[dict[str, Any]]) -> list[tuple[int, int, int]]:
    return [(line["rank"], line["competitionRank"], line["denseRank"]) for line in lines]


# Pages


@pytest.mark.parametrize("board", ["main", "weekly", "sprint", "brief", "weekly?season=1&"])
async def test_a_page_has_lines_of_the_ranking_with_their_three_ranks(
    world: World, board: str
) -> None:
    name, _, query = board.partition("?")
    document = await world.found(f"/{name}/entries?{query}limit=12")

    assert who(document["data"]) == world.users
    assert ranks(document["data"]) == list(zip(range(1, 13), COMPETITION, DENSE, strict=True))
    shown = [LOW - score for score in SCORES] if name == "sprint" else list(SCORES)
    assert [line["score"] for line in document["data"]] == shown
    assert document["data"][3]["username"] == "player3"
    assert document["data"][3]["reachedAt"] == exact_timestamp(reached_at(4))
    assert (document["total"], document["rankAbove"]) == (12, None)
    assert (document["next"], document["previous"]) == (None, None)
    assert document["boardId"] == name
    assert document["direction"] == ("low" if name == "sprint" else "high")
    assert document["season"]["number"] == (1 if query or name == "main" else 2)


@pytest.mark.parametrize("board", ["main", "weekly", "sprint"])
@pytest.mark.parametrize("limit", [1, 5, 11, 12, 100])
async def test_cursors_lead_through_all_of_it_and_back(
    world: World, board: str, limit: int
) -> None:
    path = f"/{board}/entries?limit={limit}"
    pages = [await world.found(path)]
    while pages[-1]["next"] is not None:
        pages.append(await world.found(f"{path}&after={pages[-1]['next']}"))
    lines = [line for page in pages for line in page["data"]]
    assert who(lines) == world.users
    assert ranks(lines) == list(zip(range(1, 13), COMPETITION, DENSE, strict=True))

    back = [pages[-1]]
    while back[0]["previous"] is not None:
        back.insert(0, await world.found(f"{path}&before={back[0]['previous']}"))
    assert [line for page in back for line in page["data"]] == lines


async def test_a_page_begins_with_a_rank(world: World) -> None:
    for rank in (1, 2, 6, 12):
        document = await world.found(f"/weekly/entries?limit=3&rank={rank}")
        assert who(document["data"]) == world.users[rank - 1 : rank + 2]
        assert ranks(document["data"])[0] == (rank, COMPETITION[rank - 1], DENSE[rank - 1])
        assert (document["previous"] is None) == (rank == 1)
        assert (document["next"] is None) == (rank > 9)
    for rank in (13, 2**31 - 1):
        document = await world.found(f"/weekly/entries?rank={rank}")
        assert (document["data"], document["next"], document["previous"]) == ([], None, None)
        assert document["total"] == 12


async def test_friends_are_listed_in_the_order_of_the_ranking(world: World) -> None:
    strangers = [str(uuid.uuid4()) for _ in range(94)]  # a hundred in all
    asked = [*world.at(9, 2, 3), world.absent, world.hidden, *strangers, *world.at(9)]
    document = await world.found(f"/sprint/entries?users={','.join(asked)}")

    assert who(document["data"]) == world.at(2, 3, 9)
    assert ranks(document["data"]) == [(2, 2, 2), (3, 2, 2), (9, 9, 6)]
    assert (document["next"], document["previous"], document["total"]) == (None, None, 12)
    upper = await world.found(f"/sprint/entries?users={world.users[0].upper()}")
    assert who(upper["data"]) == world.at(1)


async def test_a_page_has_a_tag_of_its_own_and_caches_keep_it_for_a_moment(world: World) -> None:
    response, document = await world.get("/weekly/entries")
    assert response.headers["Cache-Control"] == MOMENT
    tag = response.headers["ETag"]
    assert tag != f'"{document["version"]}"'
    known, nothing = await world.get("/weekly/entries", **{"If-None-Match": tag})
    assert (known.status, nothing) == (304, None)
    head, _ = await world.get("/weekly/entries", method="HEAD")
    assert (head.status, head.headers["ETag"]) == (200, tag)
    private, _ = await world.get("/members/entries", world.users[0])
    assert private.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("limit=0", ["limit"]),
        ("limit=101", ["limit"]),
        ("limit=1_0", ["limit"]),
        ("rank=0", ["rank"]),
        ("rank=-1", ["rank"]),
        ("rank=9999999999", ["rank"]),
        ("rank=1&rank=2", ["rank"]),
        ("season=0", ["season"]),
        ("after=", ["after"]),
        ("before=x", ["before"]),
        (f"after={'A' * cursors.CURSOR_CHARS}", ["after"]),
        (f"after={'A' * 2000}", ["after"]),
        ("users=", ["users"]),
        ("users=ada", ["users"]),
        (f"users={NOBODY},", ["users"]),
        (f"users={','.join(uuid.UUID(int=number).hex for number in range(101))}", ["users"]),
        (f"users={'x' * 4096}", ["_schema"]),
        (f"users={',' * 200}", ["users"]),
        ("rank=1&users=x", ["users"]),
        (f"rank=1&users={NOBODY}", ["rank", "users"]),
        (f"rank=1&after={'A' * cursors.CURSOR_CHARS}", ["after", "rank"]),
    ],
)
async def test_what_is_wrong_with_a_query_is_said_by_parameter(
    world: World, query: str, names: list[str]
) -> None:
    assert sorted(await world.problem(f"/weekly/entries?{query}")) == names


async def test_a_cursor_is_of_one_board_and_one_season(world: World) -> None:
    page = await world.found("/weekly/entries?limit=5")
    cursor = page["next"]
    assert (await world.found(f"/weekly/entries?season=2&after={cursor}"))["success"]
    said = await world.problem(f"/weekly/entries?season=1&after={cursor}")
    assert said == {"after": ["This cursor is of season 2. Leave season out, or after."]}
    assert "after" in await world.problem(f"/sprint/entries?after={cursor}")
    for changed in (cursor[:-1], cursor + "A", "B" + cursor[1:], cursor[:-2] + "__"):
        assert "after" in await world.problem(f"/weekly/entries?after={changed}")


@pytest.mark.parametrize("byte", [0, 127, 128, 255])
async def test_a_cursor_that_somebody_made_up_leads_somewhere_or_nowhere(
    world: World, byte: int
) -> None:
    for key in (bytes([byte]) * 32, bytes([128]) + bytes([byte]) * 31):
        for board in ("main", "weekly"):
            number = None if board == "main" else 2
            made_up = cursors.written(Cursor(number, key), BoardId(board))
            for way in ("after", "before"):
                response, document = await world.get(f"/{board}/entries?{way}={made_up}")
                if response.status == 200:
                    assert len(document["data"]) in (0, 12)
                else:
                    assert (response.status, [*document["errors"]]) == (400, [way])


# My place, and that of another user


@pytest.mark.parametrize("board", ["main", "weekly", "sprint", "weekly?season=1&"])
async def test_a_window_has_its_size_everywhere_and_my_line_in_it(world: World, board: str) -> None:
    name, _, query = board.partition("?")
    for around in (0, 1, 5, 6, 50):
        size = min(2 * around + 1, 12)
        for rank, user in enumerate(world.users, 1):
            document = await world.found(f"/{name}/me?{query}around={around}", user)
            data = document["data"]
            assert (data["place"]["rank"], data["place"]["userId"]) == (rank, user)
            first = max(0, min(rank - 1 - around, 12 - size))
            assert who(data["entries"]) == world.users[first : first + size]
            expected = list(zip(range(1, 13), COMPETITION, DENSE, strict=True))
            assert ranks(data["entries"]) == expected[first : first + size]
            place = {**data["place"]}
            assert place.pop("percentile") == int(10_000 * (12 - rank) / 12) / 100
            assert place.pop("rankAbove") is None
            assert place == data["entries"][rank - 1 - first]
            assert document["total"] == 12


async def test_who_stands_before_and_what_is_missing_to_stand_there(world: World) -> None:
    """Whoever reaches a score later stands behind, so a tie is one point away."""
    for board in ("main", "weekly", "sprint"):
        for rank, points in ((2, 11), (3, 1), (4, 11), (8, 11)):
            document = await world.found(f"/{board}/me?around=0", world.users[rank - 1])
            other = await world.found(f"/{board}/users/{world.users[rank - 1]}")
            assert document["data"]["next"] == other["data"]["next"]
            [before] = world.at(rank - 1)
            assert other["data"]["next"] == {
                "userId": before,
                "username": f"player{rank - 2}",
                "points": points,
            }
        assert (await world.found(f"/{board}/me", world.users[0]))["data"]["next"] is None


async def test_without_an_entry_and_for_who_is_hidden_there_is_no_place(world: World) -> None:
    for user in (world.absent, world.hidden, str(uuid.uuid4())):
        for board in ("main", "weekly", "sprint"):
            document = await world.found(f"/{board}/me", user)
            assert document["data"] == {"place": None, "next": None, "entries": []}
            assert document["total"] == 12
            assert await world.refusal(f"/{board}/users/{user}") == (404, "no_entry")
    document = await world.found("/soon/me", world.users[0])
    assert (document["season"], document["total"]) == (None, 0)
    assert (await world.found("/soon/entries"))["data"] == []
    assert (await world.found("/soon/entries?season=1"))["data"] == []


async def test_another_users_place_is_mine_without_who_is_around(world: World) -> None:
    for user in (world.users[6], world.users[6].upper(), world.users[6].replace("-", "")):
        response, document = await world.get(f"/weekly/users/{user}")
        assert response.headers["Cache-Control"] == "no-store"
        mine = await world.found("/weekly/me", world.users[6])
        del mine["data"]["entries"]
        assert document == mine
    response, document = await world.get("/weekly/users/player-7")
    assert (response.status, document["errors"]) == (400, {"userId": ["Must be a UUID."]})


async def test_my_place_is_for_the_bearer_of_a_token_and_from_no_cache(world: World) -> None:
    assert await world.refusal("/weekly/me") == (403, "not_authorized")
    response, _ = await world.get("/weekly/me", world.users[0])
    assert response.headers["Cache-Control"] == "no-store"
    for around in ("51", "-1", "x", "1.5"):
        response, document = await world.get(f"/weekly/me?around={around}", world.users[0])
        assert (response.status, list(document["errors"])) == (400, ["around"])


async def test_a_board_for_members_shows_its_ranking_to_who_has_a_token(world: World) -> None:
    for path in ("/members/entries", f"/members/users/{world.users[0]}"):
        assert await world.refusal(path) == (403, "not_authorized")
        assert await world.found(path, world.absent)
    assert (await world.found("/members/me", world.users[2]))["data"]["place"]["rank"] == 3


async def test_what_is_not_there_is_refused(world: World) -> None:
    user = world.users[0]
    for path in ("entries", "me", f"users/{user}"):
        assert await world.refusal(f"/none/{path}", user) == (404, "unknown_board")
        assert await world.refusal(f"/weekly/{path}?season=9", user) == (404, "unknown_season")
        assert await world.refusal(f"/main/{path}?season=2", user) == (404, "unknown_season")
        assert await world.refusal(f"/brief/{path}?season=1", user) == (410, "entries_not_kept")


async def test_ranks_are_served_by_instances_of_every_role(start: Start, database_url: str) -> None:
    world = await a_world(await start(role="stream"), database_url)
    assert (await world.found("/weekly/me", world.users[4]))["data"]["place"]["rank"] == 5
    assert who((await world.found("/weekly/entries?rank=12"))["data"]) == world.at(12)


# While things change


async def test_a_place_is_as_of_the_submission_before(own_world: World) -> None:
    add_actions(own_world.database_url, {"win": 35})
    last = own_world.users[11]
    for rank in (9, 4):
        sql(own_world.database_url, "DELETE FROM ledger")
        assert (await own_world.instance.submit(last, "win"))[0] == 200
        document = await own_world.found("/main/me", last)
        assert document["data"]["place"]["rank"] == rank
        async with own_world.instance.client.get(
            "/api/me", headers=own_world.instance.bearer(last)
        ) as response:
            assert (await response.json())["data"]["rank"] == rank


async def test_cursors_go_on_where_they_were_whatever_moves(own_world: World) -> None:
    """Those who stay are neither left out nor repeated, whoever passes them, leaves or comes."""
    url, users = own_world.database_url, own_world.users
    pages = [await own_world.found("/main/entries?limit=4")]
    moved = {users[3], users[9], users[5], users[6]}
    sql(url, "UPDATE scores SET score = 5 WHERE user_id = %s", (users[3],))
    sql(url, "UPDATE scores SET score = 95 WHERE user_id = %s", (users[9],))
    sql(url, "UPDATE scores SET hidden = TRUE WHERE user_id = %s", (users[5],))
    sql(url, "DELETE FROM scores WHERE user_id = %s", (users[6],))
    while pages[-1]["next"] is not None:
        pages.append(await own_world.found(f"/main/entries?limit=4&after={pages[-1]['next']}"))

    seen = [user for page in pages for user in who(page["data"])]
    stayed = [user for user in users if user not in moved]
    assert [user for user in seen if user not in moved] == stayed
    assert seen.count(users[3]) == 2  # it came behind again, as it stands now
    [line] = [each for each in pages[1]["data"] if each["userId"] == users[4]]
    assert (line["rank"], line["competitionRank"]) == (5, 5)


async def test_a_cursor_goes_on_in_its_season_after_the_next_one_has_begun(
    own_world: World,
) -> None:
    url = own_world.database_url
    page = await own_world.found("/weekly/entries?limit=5")
    sql(
        url,
        "UPDATE seasons SET ends_at = now(), closes_at = now()"
        " WHERE board_id = 'weekly' AND number = 2",
    )
    sql(
        url,
        "INSERT INTO seasons (board_id, number, previous_ends_at, starts_at, ends_at, closes_at)"
        " SELECT 'weekly', 3, ends_at, ends_at, ends_at + interval '1 d', ends_at + interval '1 d'"
        " FROM seasons WHERE board_id = 'weekly' AND number = 2",
    )
    await own_world.instance.app[PARTS].ledger.turn()
    now = await own_world.found("/weekly/entries")
    assert (now["season"]["number"], now["data"]) == (3, [])

    rest = await own_world.found(f"/weekly/entries?after={page['next']}")

    assert (rest["season"]["number"], rest["season"]["state"]) == (2, "final")
    assert who(rest["data"]) == own_world.users[5:]
    back = await own_world.found(f"/weekly/entries?limit=2&before={rest['previous']}")
    assert (who(back["data"]), back["season"]["number"]) == (own_world.users[3:5], 2)


async def test_who_is_erased_leaves_the_line_of_a_final_season_to_nobody(own_world: World) -> None:
    erased = own_world.users[4]
    order = Order("operator", "asked to")
    await own_world.instance.app[PARTS].moderation.erase(erased, order)

    final = await own_world.found("/weekly/entries?season=1")
    assert (len(final["data"]), final["total"]) == (12, 12)
    assert final["data"][4]["userId"] != erased
    assert final["data"][4]["username"].startswith("erased-")
    assert ranks(final["data"]) == list(zip(range(1, 13), COMPETITION, DENSE, strict=True))
    assert await own_world.refusal(f"/weekly/users/{erased}?season=1") == (404, "no_entry")
    assert who((await own_world.found("/weekly/entries"))["data"]) == [
        user for user in own_world.users if user != erased
    ]


def test_a_cursor_is_read_as_it_was_written() -> None:
    cursor = Cursor(7, key_of(-5, NOW, str(uuid.uuid4())))
    text = cursors.written(cursor, BoardId("weekly"))
    assert cursors.read(text, BoardId("weekly")) == cursor
    assert len(text) == cursors.CURSOR_CHARS
    with pytest.raises(cursors.BadCursor):
        cursors.read(text, BoardId("monthly"))
