"""Somebody who is logged in, and asks now this instance and now that one."""

from __future__ import annotations

import functools
from typing import Any

from tests.eventually import eventually
from tests.instances import Instance, Stream

PASSWORD = "a password for this test"
# As promised, on a machine that has time for us (`tests/eventually.py`).
SOON_SECONDS = 2.0


class Person:
    """Somebody who is logged in, and asks now this instance and now that one."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.user_id: str = document["userId"]
        self.access_token: str = document["accessToken"]
        self.refresh_token: str = document["refreshToken"]

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}

    async def asks(self, instance: Instance, method: str, path: str, body: Any = None) -> str:
        """The code of the refusal, or `200`."""
        async with instance.client.request(
            method, path, json=body, headers=self.bearer
        ) as response:
            document = await response.json()
            return str(document.get("code", response.status))

    async def all_answers(self, instance: Instance) -> set[str]:
        """What the bearer is told by whatever takes a token."""
        return {
            await self.asks(instance, "GET", "/api/leaderboard"),
            await self.asks(instance, "GET", "/api/me"),
            await self.asks(instance, "POST", "/api/actions", {"actionId": "run"}),
            await self.asks(instance, "GET", "/api/leaderboard/stream"),
        }

    async def refreshes(self, instance: Instance) -> bool:
        body = {"refreshToken": self.refresh_token}
        async with instance.client.post("/api/auth/refresh", json=body) as response:
            return response.status == 200


async def enter(instance: Instance, how: str, password: str = PASSWORD) -> Person:
    body = {"username": "ada", "password": password}
    if how == "register":
        body["email"] = "ada@example.org"
    async with instance.client.post(f"/api/auth/{how}", json=body) as response:
        return Person(await response.json())


async def post(instance: Instance, person: Person, path: str, body: Any = None) -> dict[str, Any]:
    async with instance.client.post(path, json=body, headers=person.bearer) as response:
        document: dict[str, Any] = await response.json()
        assert response.status == 200, document
        return document


async def streams_of(person: Person, instances: list[Instance]) -> list[Stream]:
    streams = [await instance.open_stream(headers=person.bearer) for instance in instances]
    for stream in streams:
        await stream.until(1)
    return streams


async def end_with(streams: list[Stream], code: str) -> None:
    """Each of them is told why it ends, and ends."""
    for stream in streams:
        await eventually(functools.partial(getattr, stream, "ended"), within_seconds=SOON_SECONDS)
        assert (stream.events[-1].name, stream.events[-1].data["code"]) == ("closing", code)


async def only_hear(person: Person, instances: list[Instance], code: str) -> None:
    async def has_heard(instance: Instance) -> bool:
        return await person.all_answers(instance) == {code}

    for instance in instances:
        await eventually(functools.partial(has_heard, instance), within_seconds=SOON_SECONDS)
