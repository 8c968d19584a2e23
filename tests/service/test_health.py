"""Probes through HTTP while every server is away, and as each comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from scoreboard.live.relay import Relay
from scoreboard.model import MAIN
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance, Start
from tests.lines import Line, a_line
from tests.servers import RabbitServer
from tests.world import add_actions, add_users, board_version

NAMES = ("postgresql", "redis", "rabbitmq")


@pytest.fixture
async def lines(database_url: str, redis_url: str, amqp_url: str) -> AsyncIterator[dict[str, Line]]:
    """The line to each server, by its part."""
    async with a_line(database_url) as one, a_line(redis_url) as two, a_line(amqp_url) as three:
        yield dict(zip(NAMES, (one, two, three), strict=True))


async def probed(instance: Instance) -> tuple[int, int, dict[str, Any]]:
    """What liveness and readiness answer, and the parts by name."""
    async with instance.client.get("/healthz") as alive, instance.client.get("/readyz") as ready:
        parts = (await ready.json())["parts"]
        return alive.status, ready.status, {part["name"]: part for part in parts}


async def up(instance: Instance) -> set[str]:
    _, _, parts = await probed(instance)
    return {name for name, part in parts.items() if part["up"]}


@pytest.mark.parametrize("role", ["api", "stream"])
async def test_an_outage_of_every_server_takes_no_instance_away_and_each_says_since_when(
    start: Start, lines: dict[str, Line], role: str
) -> None:
    """Else an orchestrator would restart them all, and a load balancer would have nobody."""
    urls = (lines[part].url for part in NAMES)
    settings = dict(zip(("database_url", "redis_url", "amqp_url"), urls, strict=True))
    instance = await start(role=role, **settings)

    async def is_up(*names: str) -> bool:
        return await up(instance) == set(names)

    await eventually(lambda: is_up(*NAMES), within_seconds=15)
    await instance.board()  # known from here on, whatever becomes of the servers
    await eventually(lambda: instance.app[PARTS].health.report()["ready"])
    before = datetime.now(UTC).replace(microsecond=0)
    for line in lines.values():
        await line.proxy.cut()
    await eventually(is_up, within_seconds=15)

    alive, ready, parts = await probed(instance)
    assert (alive, ready) == (200, 200)
    assert all(datetime.fromisoformat(part["since"]) >= before for part in parts.values())
    assert ("submissions" in parts["postgresql"]["effect"]) == (role == "api")
    async with instance.client.get("/api/leaderboard") as response:
        assert response.status == 200
    await eventually(lambda: not instance.metric("part_up", part="redis"))

    await lines["redis"].proxy.heal()
    await eventually(lambda: is_up("redis"), within_seconds=15)


async def test_an_alarm_of_rabbitmq_is_said_for_as_long_as_it_lasts_and_nobody_is_behind(
    start: Start, database_url: str, amqp_url: str, own_rabbit_server: RabbitServer
) -> None:
    one, two = await start(), await start(role="stream")
    [user] = add_users(database_url, 1)
    add_actions(database_url, {f"a{n}": 1 for n in range(3)})
    stream = await two.open_stream()
    actions = iter(["a0", "a1", "a2"])

    async def rabbitmq(instance: Instance) -> dict[str, Any]:
        _, _, parts = await probed(instance)
        return dict(parts["rabbitmq"])

    async def is_up(instance: Instance) -> bool:
        return bool((await rabbitmq(instance))["up"])

    async def scores_everywhere() -> None:
        assert (await one.submit(user, next(actions)))[0] == 200
        await stream.until(board_version(database_url), within_seconds=2.0)

    await eventually(lambda: is_up(one), within_seconds=15)
    own_rabbit_server.evaluate("vm_memory_monitor:set_vm_memory_high_watermark(0.00001)")
    try:
        await scores_everywhere()
        await eventually(lambda: one.metric("part_up", part="rabbitmq") == 0)
        since = (await rabbitmq(one))["since"]
        for _ in range(20):
            part = await rabbitmq(one)
            assert (part["up"], part["since"]) == (False, since)
            assert part["refused"].startswith("it takes no messages, because its memory")
            assert "up to 2 s late" in part["effect"]
            assert one.metric("bus_blocked", side="publish") == 1
            await asyncio.sleep(0.1)
        await scores_everywhere()
        assert await is_up(two)  # which only listens, and may
    finally:
        own_rabbit_server.evaluate("vm_memory_monitor:set_vm_memory_high_watermark(0.4)")
    await eventually(lambda: is_up(one))
    assert "refused" not in await rabbitmq(one)
    assert one.metric("bus_blocked", side="publish") == 0
    received = two.metric("events_received_total")
    await scores_everywhere()
    await eventually(lambda: two.metric("events_received_total") > received)
    await one.stop()
    await two.stop()


async def test_an_instance_has_the_copy_to_show_before_it_has_asked_the_ledger(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may start in the place of another one while a table is locked."""
    first = await start()
    await eventually(lambda: first.app[PARTS].health.state == "ready")
    await first.board()  # which leaves it in Redis

    async def waits_for_a_lock(_: Relay) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Relay, "reconcile", waits_for_a_lock)
    second = await start()

    assert second.app[PARTS].health.state == "ready"
    stream = await second.open_stream()
    await stream.until(first.app[PARTS].hub.version(MAIN))
