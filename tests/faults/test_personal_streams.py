"""Personal streams while a server is away: nothing is lost by it, and nothing is told twice."""

from __future__ import annotations

import pytest

from tests.eventually import eventually
from tests.instances import Start, Stream
from tests.lines import Line
from tests.personal import follow, give, opened, place, ranking_is_held, said, stands, told
from tests.world import add_actions, add_users


@pytest.mark.parametrize("how", ["cut", "black hole"])
async def test_after_an_outage_of_postgresql_streams_tell_once_what_came_meanwhile(
    start: Start, database_url: str, database_line: Line, how: str
) -> None:
    """Grants go on by another instance, whose line holds."""
    one = await start()
    other = await start(database_url=database_line.url, database_timeout_seconds=1.0)
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"before": 1, "run": 5, "swim": 7, "bike": 40, "after": 2})
    await one.submit(bob, "before")
    stream = await opened(other, ada)
    await said(stream, "me:place")
    await ranking_is_held(other)
    await one.submit(ada, "run")
    await stands(stream, 1)
    await said(stream, "me:granted")

    if how == "cut":
        await database_line.proxy.cut()
    else:
        database_line.proxy.black_hole()
    failed = other.metric("personal_turns_failed_total")
    await one.submit(ada, "swim")
    await one.submit(bob, "bike")
    await eventually(
        lambda: other.metric("personal_turns_failed_total") > failed + 1, within_seconds=30.0
    )
    assert not stream.ended

    await database_line.proxy.heal()
    await stands(stream, 2)
    assert place(stream)["score"] == 12
    assert place(stream)["next"] == {"userId": bob, "username": "player1", "points": 30}
    await one.submit(ada, "after")
    await eventually(lambda: place(stream)["score"] == 14, within_seconds=15.0)
    await eventually(lambda: len(_granted(stream)) >= 3, within_seconds=15.0)
    assert _granted(stream) == ["run", "swim", "after"]


async def test_without_redis_and_rabbitmq_streams_tell_everything(
    start: Start, database_url: str, redis_line: Line, amqp_line: Line
) -> None:
    one = await start()
    other = await start(redis_url=redis_line.url, amqp_url=amqp_line.url)
    crowd = add_users(database_url, 1_000, "crowd")
    ada, friend = add_users(database_url, 2)
    give(database_url, 100, *crowd)
    give(database_url, 10, ada)
    give(database_url, 1, friend)
    add_actions(database_url, {"run": 20, "swim": 1})
    stream = await opened(other, ada)
    await stands(stream, 1_001)
    await ranking_is_held(other)
    await redis_line.proxy.cut()
    await amqp_line.proxy.cut()

    await follow(one, "PUT", ada, friend)  # on the other instance nobody hears of it
    await eventually(lambda: other.metric("personal_turn_seconds_count") > 1, within_seconds=15.0)
    await one.submit(ada, "swim")
    await said(stream, "me:granted")
    await one.submit(friend, "run")
    await stands(stream, 1_002)
    assert place(stream)["score"] == 11
    late = await opened(other, friend)
    await stands(late, 1_001)


def _granted(stream: Stream) -> list[str]:
    found = told(stream, "me:granted")
    return [grant["actionId"] for each in found for grant in each["grants"]]
