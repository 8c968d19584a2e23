"""RabbitMQ as three nodes: the address names all of them, and any may die."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.eventually import eventually
from tests.five_boards import end_season
from tests.instances import Instance, Start
from tests.load import Load, a_load
from tests.reckoning import a_game, everybody_turns, reckon
from tests.servers.installation import RABBITMQ, provide
from tests.servers.rabbit_cluster import RabbitCluster, RabbitNode

pytestmark = pytest.mark.timeout(240)

# A connection that died with its node is made anew at once; a node that has just lost another may
# take its time to answer.
RECONNECTED_SECONDS = 30.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[RabbitCluster]:
    """Three nodes, which take longer to start than anything else here."""
    provide(RABBITMQ)
    with RabbitCluster() as cluster:
        yield cluster


@pytest.fixture
def amqp_url(cluster: RabbitCluster) -> str:
    return cluster.url_of("/")


async def test_whichever_node_dies_instances_go_to_another_and_nobody_misses_a_board(
    start: Start, database_url: str, redis_url: str, cluster: RabbitCluster
) -> None:
    instances = [await start() for _ in range(4)]
    doors = [instance.url for instance in instances]
    async with a_load(lambda: doors, a_game(database_url)) as load:
        await all_are_connected(instances)
        first = busiest(cluster)
        await asyncio.to_thread(first.kill)
        await everybody_turns(load, await end_season(database_url))
        await boards_arrive(load, instances)

        returning = asyncio.create_task(asyncio.to_thread(first.start))
        second = busiest(cluster, but=first)
        await returning
        await asyncio.to_thread(second.kill)  # its clients have the returned one to go to as well
        await boards_arrive(load, instances)
        await reckon(load, database_url, redis_url)


async def all_are_connected(instances: list[Instance]) -> None:
    await eventually(
        lambda: all(
            instance.metric("bus_connected", side=side) == 1
            for instance in instances
            for side in ("publish", "consume")
        ),
        within_seconds=RECONNECTED_SECONDS,
        message="every instance is connected",
    )


async def boards_arrive(load: Load, instances: list[Instance]) -> None:
    """The load goes on whatever the bus does; then every instance hears of boards by it again."""
    await load.flows()
    await all_are_connected(instances)
    before = [instance.metric("events_received_total") for instance in instances]
    await eventually(
        lambda: all(
            instance.metric("events_received_total") > heard + 5
            for instance, heard in zip(instances, before, strict=True)
        ),
        within_seconds=RECONNECTED_SECONDS,
        message="every instance hears of boards",
    )


def busiest(cluster: RabbitCluster, *, but: RabbitNode | None = None) -> RabbitNode:
    """The node that most clients will miss."""
    return max(
        (node for node in cluster.nodes if node is not but), key=lambda node: node.connections()
    )
