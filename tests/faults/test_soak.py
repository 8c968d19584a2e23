"""Some seconds of the soak, each time in another order. `make soak` goes on for hours."""

from __future__ import annotations

import os
import random

import pytest

from tests.servers import PostgresServer, RabbitServer, RedisServer
from tests.soak import Servers, soak

SECONDS = 8.0


@pytest.mark.slow
@pytest.mark.timeout(400)
# See test_under_load.py: a connection that aio-pika gave up halfway closes itself when it can.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_under_mixed_faults_nothing_is_lost_and_everything_is_back_where_it_began(
    database_url: str,
    redis_url: str,
    amqp_url: str,
    postgres_under_fault: PostgresServer,
    redis_under_fault: RedisServer,
    rabbit_under_fault: RabbitServer,
) -> None:
    servers = Servers(
        postgres_under_fault,
        redis_under_fault,
        rabbit_under_fault,
        database_url,
        redis_url,
        amqp_url,
    )
    seed = os.environ.get("SCOREBOARD_TEST_SOAK_SEED") or random.SystemRandom().randrange(10**6)
    report = await soak(servers, SECONDS, int(seed))
    assert report.faults.total() >= 1
