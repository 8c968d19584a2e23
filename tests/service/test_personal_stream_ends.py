"""Personal streams through HTTP: those who are slow, what they count against, and how they end."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import jwt

from scoreboard.parts import PARTS
from tests.eventually import eventually
from tests.instances import SECRET, Instance, Start
from tests.operator import Operator
from tests.personal import (
    PATH,
    farewell,
    follow,
    opened,
    place,
    request_of,
    said,
    told,
    turns_pass,
)
from tests.service.test_streams import FILLER, raw_stream
from tests.world import add_actions, add_users, sql


async def test_a_stalled_stream_is_skipped_gets_the_newest_or_is_cut_off(
    start: Start, database_url: str
) -> None:
    instance = await start(stuck_after_seconds=3.0)
    [ada] = add_users(database_url, 1)
    add_actions(database_url, {f"a{n}": 1 for n in range(30)})
    stalled = raw_stream(instance, request_of(instance, ada), receive_buffer=4096)
    healthy = await opened(instance, ada)
    await said(healthy, "me:place")
    room = instance.app[PARTS].personal_streams
    await eventually(lambda: len(room.subscribers) == 2)
    slow = next(iter(room.subscribers))
    slow.transport.write(FILLER)
    unsent = slow.transport.get_write_buffer_size()
    for n in range(3):
        await instance.submit(ada, f"a{n}")
    await eventually(lambda: place(healthy)["score"] == 3, within_seconds=15.0)
    assert slow.transport.get_write_buffer_size() <= unsent
    await eventually(lambda: instance.metric("subscribers_cut_off_total") == 1, within_seconds=15.0)
    assert instance.metric("deliveries_skipped_total") > 0
    await eventually(lambda: instance.metric("personal_streams") == 1)
    stalled.close()


async def test_a_stream_that_reads_again_gets_the_newest_place_and_all_grants_together(
    start: Start, database_url: str
) -> None:
    instance = await start(stuck_after_seconds=60.0)
    [ada] = add_users(database_url, 1)
    add_actions(database_url, {f"a{n}": 1 for n in range(30)})
    stream = await opened(instance, ada)
    await said(stream, "me:place")
    room = instance.app[PARTS].personal_streams
    [subscriber] = room.subscribers
    # Nothing that is written is sent before reading goes on.
    subscriber.transport.get_write_buffer_size = lambda: 1  # type: ignore[method-assign]
    for n in range(3):
        await instance.submit(ada, f"a{n}")
        await turns_pass(instance, 3)
    assert told(stream, "me:granted") == []
    del subscriber.transport.get_write_buffer_size
    await eventually(lambda: place(stream)["score"] == 3, within_seconds=15.0)
    [granted] = told(stream, "me:granted")
    assert (granted["count"], granted["score"]) == (3, 3)
    assert len(told(stream, "me:place")) == 2


async def test_a_personal_stream_ends_with_its_token_and_with_the_instance(
    start: Start, database_url: str
) -> None:
    instance = await start()
    ada, bob = add_users(database_url, 2)
    short = jwt.decode(instance.token(ada), options={"verify_signature": False})
    expires = datetime.now(UTC) + timedelta(seconds=2)
    token = jwt.encode(short | {"exp": int(expires.timestamp()) + 1}, SECRET, "HS256")
    expiring = await instance.open_stream(PATH, headers={"Authorization": f"Bearer {token}"})
    revoked, last = await opened(instance, ada), await opened(instance, bob)
    await farewell(expiring, "expired_token")
    sql(database_url, f"SELECT revoke_access('{ada}', FALSE)")
    await farewell(revoked, "revoked_token")
    instance.app[PARTS].hub.close("shutting_down", "Bye.")
    await farewell(last, "shutting_down")
    late = await opened(instance, bob)
    await farewell(late, "shutting_down")


async def test_a_ban_ends_personal_streams_on_every_instance(
    start: Start, database_url: str, operator: Operator
) -> None:
    one, other = await start(), await start()
    [ada] = add_users(database_url, 1)
    streams = [await opened(one, ada), await opened(other, ada)]
    banned = await operator("users", "ban", f"id:{ada}", "--reason", "a test")
    assert banned.code == 0, banned.err
    for stream in streams:
        await farewell(stream, "banned")


async def test_a_board_that_is_gone_ends_the_streams_that_watch_it(
    start: Start, database_url: str, operator: Operator
) -> None:
    instance = await start()
    await operator("boards", "add", "weekly", "--title", "Weekly")
    [ada] = add_users(database_url, 1)
    stream = await opened(instance, ada, "?boards=weekly")
    await said(stream, "me:place")
    sql(database_url, "UPDATE boards SET season_id = NULL WHERE board_id = 'weekly'")
    sql(database_url, "DELETE FROM boards WHERE board_id = 'weekly'")
    await farewell(stream, "unknown_board")


async def test_personal_streams_count_against_every_limit_of_streams(
    start: Start, database_url: str
) -> None:
    [ada] = add_users(database_url, 1)
    instance = await start(streams_per_user=2)
    await opened(instance, ada)
    await opened(instance, ada)
    async with instance.client.get(PATH, headers=instance.bearer(ada)) as response:
        assert (response.status, (await response.json())["code"]) == (429, "too_many_streams")
    full = await start(subscribers_max=1)
    await opened(full, ada)
    async with full.client.get(PATH, headers=full.bearer(ada)) as response:
        assert (response.status, (await response.json())["code"]) == (503, "overloaded")


async def test_who_leaves_is_forgotten(instance: Instance, database_url: str) -> None:
    [ada, bob] = add_users(database_url, 2)
    await follow(instance, "PUT", ada, bob)
    room = instance.app[PARTS].personal_streams
    with contextlib.closing(raw_stream(instance, request_of(instance, ada))):
        await eventually(lambda: len(room.subscribers) == 1)
    await eventually(lambda: not room.subscribers)
    assert instance.metric("personal_streams") == 0
    assert (len(room._watching.users), room._followers._followers) == (0, {})
