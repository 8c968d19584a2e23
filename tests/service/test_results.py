"""POST /api/results and GET /api/results/{receipt}: two instances, and servers with keys."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tests.eventually import eventually
from tests.game_server import GameServer
from tests.instances import Instance
from tests.service.conftest import Start
from tests.world import add_board, add_users, entries, holding, sql, waits_for_lock

DAY: Final = timedelta(days=1)
NOBODY: Final = "00000000-0000-4000-8000-000000000000"
RESULTS: Final = "/api/results"


@pytest.fixture
async def instances(start: Start, database_url: str) -> list[Instance]:
    now = datetime.now(UTC)
    for board_id in ("weekly", "daily"):
        add_board(database_url, board_id, (now - DAY, now + DAY), value_max=1000)
    return [await start(), await start()]


def said(receipt: str, user: str, value: Any = 10, board: str = "weekly") -> dict[str, Any]:
    return {"receipt": receipt, "userId": user, "boardId": board, "value": value}


async def send(
    server: GameServer, *results: dict[str, Any], to: Instance | None = None
) -> tuple[int, Any]:
    status, document = await server.send("POST", RESULTS, {"results": results}, to=to)
    return status, document["data"] if status == 200 else document


def words(verdicts: list[dict[str, Any]]) -> list[str]:
    return [each.get("error", {}).get("code", each["verdict"]) for each in verdicts]


async def shown(instance: Instance, board: str) -> list[tuple[str, int]]:
    async with instance.client.get(f"/api/boards/{board}/leaderboard") as response:
        found = (await response.json())["data"]
    return [(entry["userId"], entry["score"]) for entry in found]


async def test_a_day_s_log_counts_once_is_seen_everywhere_and_one_bad_result_keeps_none_out(
    instances: list[Instance], database_url: str
) -> None:
    one, two = instances
    server = await GameServer.of(one)
    await GameServer.of(two)  # which reads the list of keys
    ada, bob = add_users(database_url, 2)
    streams = [await each.open_stream("/api/boards/weekly/stream") for each in instances]
    log = [said(f"r{n}", (ada, bob)[n % 2], n % 7) for n in range(199)]
    log.insert(77, said("bad", NOBODY))

    status, verdicts = await send(server, *log)
    assert status == 200
    assert words(verdicts) == [*["recorded"] * 77, "unknown_user", *["recorded"] * 122]
    sums = {
        user: sum(each["value"] for each in log if each["userId"] == user) for user in (ada, bob)
    }
    top = sorted(sums.items(), key=lambda each: -each[1])
    for each, stream in zip(instances, streams, strict=True):

        async def all_show(each: Instance = each, stream: Any = stream) -> bool:
            assert await shown(each, "weekly") == top
            users = stream.boards[-1].data["topUsers"]
            return [(entry["userId"], entry["score"]) for entry in users] == top

        await eventually(all_show, within_seconds=2.0)

    # Sent again, in halves, to both at once, from several connections.
    halves = [log[:100], log[100:]] * 2
    answers = await asyncio.gather(
        *(send(server, *half, to=instances[n % 2]) for n, half in enumerate(halves))
    )
    again = [verdict for _, verdicts in answers for verdict in verdicts]
    assert {verdict["verdict"] for verdict in again} == {"repeated", "refused"}
    assert again[0] == verdicts[0] | {"verdict": "repeated"}
    assert entries(database_url, "weekly") == sums
    async with one.client.get("/metrics") as metrics:
        assert 'scoreboard_results_total{verdict="recorded"} 199.0' in await metrics.text()


async def test_what_is_recorded_is_read_by_its_source_alone(
    instances: list[Instance], database_url: str
) -> None:
    server = await GameServer.of(instances[0])
    [ada] = add_users(database_url, 1)
    played = "2024-01-01T00:00:00+01:00"
    status, [first, own, early] = await send(
        *(server, said("match:1.a", ada), said("m-2", "player-1")),
        said("m-3", ada, board="main") | {"playedAt": played},
    )
    assert (status, own["error"]["code"]) == (200, "unknown_user")
    assert early["playedAt"] == "2023-12-31T23:00:00.000000Z"

    found = await server.send("GET", f"{RESULTS}/match:1.a")
    kept = {name: value for name, value in first.items() if name != "verdict"}
    assert found == (200, {"success": True, "data": kept | {"revokedAt": None}})
    assert kept["userId"] == ada
    _, [used] = await send(server, said("match:1.a", ada, 11))
    assert used["original"] == kept
    assert used["error"]["code"] == "receipt_used"
    for other in (
        await GameServer.of(instances[0], source="other"),
        await GameServer.of(instances[0], source="unknown"),
    ):
        status, document = await other.send("GET", f"{RESULTS}/match:1.a")
        assert (status, document["code"]) == (404, "unknown_receipt")


async def test_a_key_of_some_boards_sends_and_reads_nothing_of_another(
    instances: list[Instance], database_url: str
) -> None:
    server = await GameServer.of(instances[0])
    limited = await GameServer.of(instances[0], ["results"], boards=["daily"])
    [ada] = add_users(database_url, 1)
    assert words((await send(server, said("w", ada)))[1]) == ["recorded"]
    for board in ("weekly", "main", "nowhere"):
        status, document = await send(
            limited, said("1", ada, board="daily"), said("2", ada, 1, board)
        )
        assert (status, document["code"]) == (403, "key_lacks_board")
    assert entries(database_url, "daily") == {}
    status, document = await limited.send("GET", f"{RESULTS}/w")
    assert (status, document["code"]) == (403, "key_lacks_board")
    # Nor by its receipt, which the source has used there.
    status, document = await send(limited, said("w", ada, board="daily"))
    assert words(document) == ["receipt_used"]
    assert "original" not in document[0]
    assert "original" in (await send(server, said("w", ada, 2)))[1][0]
    assert words((await send(limited, said("1", ada, board="daily")))[1]) == ["recorded"]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *[("value", value) for value in (True, 1.0, "1", None, 2**63, -(2**63) - 1, 10**30)],
        *[("receipt", value) for value in ("", "a b", "a\n", "a" * 101, "é", 5)],
        *[("playedAt", value) for value in ("2024-12-09T14:30:45", "now", 0, "0001-01-01T00:00Z")],
        ("playedAt", "\uff12\uff10\uff12\uff14-12-09T14:30:45Z"),
        ("boardId", "a\0"),
    ],
)
async def test_what_is_not_in_its_form_is_refused_with_its_place_and_nothing_is_recorded(
    shared_instance: Instance, shared_database_url: str, member: str, value: Any
) -> None:
    server = await GameServer.of(shared_instance)
    good, bad = said("good", NOBODY, 1, "main"), said("bad", NOBODY, 1, "main") | {member: value}
    status, document = await send(server, good, bad)
    assert (status, document["code"]) == (400, "invalid_payload")
    assert [*document["errors"]["results"]] == ["1"]
    assert [*document["errors"]["results"]["1"]] == [member]
    assert sql(shared_database_url, "SELECT * FROM results") == []


async def test_what_was_taken_is_finished_though_the_server_hangs_up(
    instances: list[Instance], database_url: str
) -> None:
    one, two = instances
    server = await GameServer.of(one)
    await GameServer.of(two)
    [ada] = add_users(database_url, 1)
    with holding(database_url, "SELECT FROM boards WHERE board_id = 'weekly' FOR UPDATE") as held:
        sending = asyncio.ensure_future(send(server, said("r", ada)))
        await eventually(lambda: waits_for_lock(database_url))
        sending.cancel()
        held.rollback()
    await eventually(lambda: entries(database_url, "weekly") == {ada: 10})
    assert words((await send(server, said("r", ada), to=two))[1]) == ["repeated"]
    assert entries(database_url, "weekly") == {ada: 10}
