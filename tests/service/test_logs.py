"""What stands on the events of a request, and on those of the work that many requests share."""

from __future__ import annotations

import errno
import io
import os

import pytest

from scoreboard.copies.boards import Boards
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Start
from tests.logs import Written, written
from tests.world import add_actions, add_users

__all__ = ["written"]

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-00", "X-Request-ID": "the-request"}
ADA = {"username": "ada", "email": "ada@example.org", "password": "analytical engine"}


async def test_events_of_a_request_carry_its_id_its_user_and_its_trace(
    start: Start, written: Written
) -> None:
    written.begin("debug")
    instance = await start()
    async with instance.client.post("/api/auth/register", json=ADA, headers=HEADERS) as response:
        assert response.status == 201

    [registered] = written.named("scoreboard.accounts.registered")
    assert registered["request_id"] == "the-request"
    assert registered["trace_id"] == TRACE
    assert registered["instance"] == "web-1"
    assert registered["user_id"]


async def test_a_failure_says_whose_request_it_was(
    start: Start, database_url: str, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    written.begin("debug")
    instance = await start()
    [user] = add_users(database_url, 1)

    async def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(type(instance.app[PARTS].submissions), "submit", fail)
    async with instance.client.post(
        "/api/actions", json={"actionId": "run"}, headers=instance.bearer(user) | HEADERS
    ) as response:
        assert response.status == 500

    [failed] = written.named("scoreboard.http.failed")
    assert (failed["request_id"], failed["user_id"]) == ("the-request", user)
    assert failed["trace_id"] == TRACE
    assert instance.metric("http_failures_total") == 1


async def test_what_many_requests_share_is_not_logged_as_one_of_them(
    start: Start, database_url: str, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    written.begin("debug")
    instance = await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})

    async def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Boards, "store", fail)
    async with instance.client.post(
        "/api/actions", json={"actionId": "run"}, headers=instance.bearer(user) | HEADERS
    ) as response:
        assert response.status == 200

    [failed] = written.named("scoreboard.submit.announcement_failed")
    assert failed["trace_id"] == TRACE
    assert not {"request_id", "user_id"} & set(failed)


class Full(io.StringIO):
    """Standard error on a full disk, or a pipe whose reader has gone."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_log_that_cannot_be_written_costs_no_request(
    written: Written, start: Start, database_url: str
) -> None:
    written.stream = Full()
    written.begin()
    instance = await start(redis_url="redis://127.0.0.1:1/0")  # away, which is worth a line
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 10})

    status, _ = await instance.submit(user, "run")
    board = await instance.board()

    assert status == 200
    assert [entry["userId"] for entry in board["data"]] == [user]
    assert all(
        sample.value == 0
        for family in instance.app[PARTS].metrics.task_crashes.collect()
        for sample in family.samples
    )
    lost = "log_lines_dropped_total"
    await eventually(lambda: instance.metric(lost) >= 1, message="what was not written is counted")
