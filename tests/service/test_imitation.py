"""The imitation of Redis, for a machine without one, can do all that we ask of Redis."""

from __future__ import annotations

from scoreboard.embedded.redis import imitated_redis
from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import Instance, starting_instances
from tests.world import add_actions, add_users


async def test_on_the_imitation_nothing_is_answered_as_if_redis_were_away(
    database_url: str,
) -> None:
    """Scripts above all: that one is not there yet is an error, and then it is sent."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    with imitated_redis() as redis_url:
        async with starting_instances(database_url, redis_url, "") as start:
            one = await start(redis_timeout_seconds=10.0)  # it shares this process
            stream = await one.open_stream()
            assert (await one.submit(user, "run"))[0] == 200
            await stream.until(2)
            assert (await one.board())["version"] == 2

            assert one.metric("rate_limit_checks_local_total") == 0
            assert one.metric("cache_stores_failed_total") == 0
            assert one.metric("board_reads_from_ledger_total", reason="away") == 0
            await eventually(lambda: all_are_up(one))


def all_are_up(instance: Instance) -> bool:
    return all(part["up"] for part in instance.app[PARTS].health.report()["parts"])
