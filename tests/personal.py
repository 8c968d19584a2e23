"""What tests of personal streams are made with: streams of users, and what was told on them."""

from __future__ import annotations

from typing import Any

from scoreboard.api.schemas.personal import (
    GrantedEventSchema,
    OvertakenEventSchema,
    PlaceEventSchema,
)
from tests.eventually import eventually
from tests.instances import Event, Instance, Stream
from tests.world import sql

PATH = "/api/me/stream"
SCHEMAS = {
    "me:place": PlaceEventSchema(),
    "me:overtaken": OvertakenEventSchema(),
    "me:granted": GrantedEventSchema(),
}


async def opened(instance: Instance, user: str, query: str = "") -> Stream:
    return await instance.open_stream(PATH + query, headers=instance.bearer(user))


def told(stream: Stream, name: str) -> list[dict[str, Any]]:
    """The data of all events of a name, each of which is what the document says."""
    found = [event.data for event in stream.events if event.name == name]
    for data in found:
        assert SCHEMAS[name].validate(data) == {}, data
    return found


def place(stream: Stream, board_id: str = "main") -> dict[str, Any]:
    """The newest place on a board, empty before the first."""
    of_board = [data for data in told(stream, "me:place") if data["boardId"] == board_id]
    return of_board[-1] if of_board else {}


async def stands(stream: Stream, rank: int, board_id: str = "main") -> None:
    await eventually(
        lambda: place(stream, board_id).get("rank") == rank,
        within_seconds=15.0,
        message=f"rank {rank} on the stream, which has {place(stream, board_id)}",
    )


async def said(stream: Stream, name: str, count: int = 1) -> list[dict[str, Any]]:
    await eventually(
        lambda: len(told(stream, name)) >= count,
        within_seconds=15.0,
        message=f"{count} times {name} on the stream, which has {stream.events}",
    )
    return told(stream, name)


def give(database_url: str, score: int, *users: str) -> None:
    """Give users a score in the past, whom the service has not seen."""
    sql(
        database_url,
        "INSERT INTO scores (user_id, score, updated_at)"
        " SELECT user_id, %s, '2024-12-09' FROM unnest(%s::uuid[]) AS given (user_id)"
        " ON CONFLICT (user_id) DO UPDATE SET score = excluded.score",
        (score, list(users)),
    )


def request_of(instance: Instance, user: str) -> bytes:
    bearer = instance.bearer(user)["Authorization"]
    return f"GET {PATH} HTTP/1.1\r\nHost: test\r\nAuthorization: {bearer}\r\n\r\n".encode()


async def ranking_is_held(instance: Instance) -> None:
    """Before that nobody tells what moves, so nobody is overtaken. A turn may be under way that did
    not hear of it.
    """
    await eventually(lambda: instance.metric("rankings_held") >= 1)
    await turns_pass(instance, 2)


async def turns_pass(instance: Instance, count: int) -> None:
    seen = instance.metric("personal_turn_seconds_count")
    await eventually(
        lambda: instance.metric("personal_turn_seconds_count") >= seen + count,
        within_seconds=15.0,
    )


async def follow(instance: Instance, method: str, user: str, followed: str) -> None:
    path = f"/api/me/follows/{followed}"
    async with instance.client.request(method, path, headers=instance.bearer(user)) as response:
        assert response.status == 204


async def farewell(stream: Stream, code: str) -> None:
    def closing() -> list[Event]:
        return [event for event in stream.events if event.name == "closing"]

    await eventually(lambda: closing() and stream.ended, within_seconds=15.0)
    assert [event.data["code"] for event in closing()] == [code]
