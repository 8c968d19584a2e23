"""Reads of the board while it changes, and clients that hang up on theirs."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from tests.attacks.wire import Wire, connected
from tests.eventually import eventually
from tests.instances import Instance
from tests.service.conftest import Start
from tests.world import add_actions, add_users, holding, ranking, waiting_for_locks

_READ = b"GET /api/leaderboard HTTP/1.1\r\nHost: x\r\n\r\n"
_CHANGES = 24


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


async def read_until(
    changed: asyncio.Event, instance: Instance, *, condition: bool
) -> Sequence[tuple[str, list[Any]]]:
    """Read the board again and again until all changes are done, and once more; each board with its
    tag. With `condition` a read says what it has already, and gets only what is new.
    """
    seen = list[tuple[str, list[Any]]]()
    is_last = False
    while not is_last:
        is_last = changed.is_set()
        known = {"If-None-Match": seen[-1][0]} if condition and seen else {}
        async with instance.client.get("/api/leaderboard", headers=known) as response:
            if response.status == 304:
                continue
            assert response.status == 200
            seen.append((response.headers["ETag"], (await response.json())["data"]))
    return seen


async def test_who_reads_while_the_board_changes_gets_whole_boards_in_their_order(
    start: Start, database_url: str
) -> None:
    """One tag is one board, whoever gets it from whichever instance; each board is a ranking; the
    scores of a user only rise; and after the last change all have the ledger's.
    """
    instances = [await start(), await start()]
    users = add_users(database_url, 4)
    add_actions(database_url, {f"a{n}": 1 + n % 7 for n in range(_CHANGES)})
    changed = asyncio.Event()
    readers = [
        asyncio.create_task(read_until(changed, instance, condition=condition))
        for instance in instances
        for condition in (False, True)
    ]
    for number in range(_CHANGES):
        turn = instances[number % 2].submit(users[number % 4], f"a{number}")
        assert (await turn)[0] == 200
    changed.set()
    boards = dict[str, list[Any]]()
    for seen in await asyncio.gather(*readers):
        shown = dict[str, int]()
        for tag, board in seen:
            assert boards.setdefault(tag, board) == board
            scores = [entry["score"] for entry in board]
            assert scores == sorted(scores, reverse=True)
            for entry in board:
                assert entry["score"] >= shown.get(entry["userId"], 0)
                shown[entry["userId"]] = entry["score"]
        last = [(entry["userId"], entry["score"]) for entry in seen[-1][1]]
        assert last == ranking(database_url)
    assert len(boards) > 3  # they did read meanwhile


async def hang_up(instance: Instance, request: bytes, *, after_bytes: int) -> None:
    """Send a request, read so many bytes of the answer, and reset the connection."""
    async with connected(instance) as wire:
        await wire.send(request)
        if after_bytes:
            await wire.reader.readexactly(after_bytes)
        reset(wire)


async def status_of(instance: Instance, path: str, headers: dict[str, str]) -> int:
    async with instance.client.get(path, headers=headers) as response:
        await response.read()
        return response.status


def reset(wire: Wire) -> None:
    """End the connection as who pulls the plug does, and not as who says good-bye."""
    peer = wire.writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.writer.transport.abort()


@pytest.mark.parametrize("path", ["/api/leaderboard", "/api/me", "/", "/metrics"])
async def test_who_hangs_up_on_a_read_costs_the_others_nothing(
    instance: Instance, shared_database_url: str, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Before the answer or in the middle of it, once or with many requests sent ahead; no
    connection is kept, and nothing is logged as an error.
    """
    [user] = add_users(shared_database_url, 1)
    token = instance.bearer(user)["Authorization"]
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode()
    leaving = [
        asyncio.create_task(hang_up(instance, request * times, after_bytes=after))
        for times in (1, 20)
        for after in (0, 1, 300)
        for _ in range(5)
    ]
    staying = [
        asyncio.create_task(status_of(instance, path, instance.bearer(user))) for _ in range(20)
    ]

    assert set(await asyncio.gather(*staying)) == {200}
    await asyncio.gather(*leaving)
    server = instance.runner.server
    assert server is not None
    await eventually(lambda: len(server.connections) <= len(staying), message="none is kept")
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


async def test_a_read_that_many_wait_for_goes_on_when_the_first_of_them_hangs_up(
    start: Start, database_url: str
) -> None:
    """Without Redis one read of the ledger answers all who ask at the same time."""
    instance = await start(redis_url="redis://127.0.0.1:1/0")
    before = await instance.board()
    with holding(database_url, "LOCK TABLE board IN ACCESS EXCLUSIVE MODE"):
        async with connected(instance) as first:
            await first.send(_READ)
            await eventually(lambda: waiting_for_locks(database_url) > 0)
            others = [asyncio.create_task(instance.board()) for _ in range(5)]
            await asyncio.sleep(0)
            reset(first)
    assert [board["data"] for board in await asyncio.gather(*others)] == [before["data"]] * 5
