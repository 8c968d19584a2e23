"""What readiness says of the servers that we depend on, and what the log says when one changes."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from scoreboard.errors import LedgerUnavailable
from scoreboard.operations.health import Health, Part, effect
from scoreboard.operations.metrics import Metrics
from tests.clock import jumping_clock
from tests.eventually import eventually
from tests.samples import counted


class Server:
    """Answers a probe, or does not."""

    def __init__(self) -> None:
        self.away = True

    async def probe(self) -> None:
        if self.away:
            raise LedgerUnavailable from OSError("connection refused")


async def test_the_log_tells_of_a_loss_and_a_return_once_each_and_not_of_the_start() -> None:
    server = Server()
    part = Part("postgresql", "submissions get 503", server.probe)
    with capture_logs() as logs:
        for away in (True, False, False, True, True, False):
            server.away = away
            await part.ask()
    assert [(entry["event"], entry.get("error")) for entry in logs] == [
        ("scoreboard.health.away", "connection refused"),
        ("scoreboard.health.back", None),
    ]


async def test_a_part_that_is_away_says_what_that_means() -> None:
    server = Server()
    part = Part("postgresql", "submissions get 503", server.probe)
    await part.ask()
    assert part.as_json()["effect"] == "submissions get 503"
    server.away = False
    await part.ask()
    assert part.as_json()["up"] is True
    assert "effect" not in part.as_json()


@jumping_clock
async def test_metrics_say_which_part_is_up_and_whether_this_instance_can_serve() -> None:
    server, metrics = Server(), Metrics()
    part = Part("postgresql", "submissions get 503", server.probe)
    health = Health("one", "all", lambda: 1, [part], metrics)
    probing = asyncio.create_task(health.run())
    seen = []
    for away in (True, False):
        server.away = away
        await asyncio.sleep(2.5)
        seen.append((counted(metrics, "part_up", part="postgresql"), counted(metrics, "ready")))
    health.leave()
    await asyncio.sleep(2.5)
    probing.cancel()

    assert seen == [(0, 1), (1, 1)]
    assert counted(metrics, "ready") == 0


async def test_news_of_one_part_wait_for_no_other_and_for_no_pause() -> None:
    server = Server()
    hangs = Part("rabbitmq", "late", asyncio.Event().wait)
    part = Part("redis", "slower", server.probe)
    health = Health("one", "all", lambda: 1, [hangs, part], Metrics(), probe_seconds=3600.0)
    probing = asyncio.create_task(health.run())
    for away in (False, True, False):
        server.away = away
        health.probe_now("redis")
        await eventually(lambda: part.up is not server.away)
    probing.cancel()


@pytest.mark.parametrize("part", ["postgresql", "rabbitmq"])
def test_what_an_absence_means_depends_on_the_role(part: str) -> None:
    assert effect(part, takes_submissions=True) != effect(part, takes_submissions=False)


def test_an_instance_is_ready_from_its_first_board_until_it_leaves() -> None:
    version = -1
    health = Health("one", "all", lambda: version, [], Metrics())

    def said() -> tuple[bool, str]:
        report = health.report()
        return report["ready"], report["state"]

    assert said() == (False, "starting")
    version = 1
    assert said() == (True, "ready")
    health.leave()
    assert said() == (False, "leaving")
