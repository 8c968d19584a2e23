"""Secrets are rotated over running instances, step by step as docs/operations.md says."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.instances import SECRET, Instance, test_settings

NEW = "another-secret-for-tests-9876543210fedcba"

# What the instances are given, one after the other; the last, when no access token of the old
# secret is alive any more.
STEPS: tuple[dict[str, Any], ...] = (
    {"jwt_secret": SECRET, "jwt_previous_secrets": [NEW]},
    {"jwt_secret": NEW, "jwt_previous_secrets": [SECRET]},
    {"jwt_secret": NEW},
)


class Person:
    """Somebody who is logged in, and asks now this instance and now that one."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._take(document)

    @classmethod
    async def register(cls, instance: Instance, name: str) -> Person:
        account = {"username": name, "email": f"{name}@example.org", "password": "long enough"}
        async with instance.client.post("/api/auth/register", json=account) as response:
            assert response.status == 201
            return cls(await response.json())

    def _take(self, document: dict[str, Any]) -> None:
        self.access_token = document["accessToken"]
        self.refresh_token = document["refreshToken"]

    async def is_known_to(self, instance: Instance) -> bool:
        bearer = {"Authorization": f"Bearer {self.access_token}"}
        async with instance.client.get("/api/me", headers=bearer) as response:
            return response.status == 200

    async def refresh(self, instance: Instance) -> None:
        async with instance.client.post(
            "/api/auth/refresh", json={"refreshToken": self.refresh_token}
        ) as response:
            assert response.status == 200, await response.text()
            self._take(await response.json())


@pytest.mark.parametrize("careful", [True, False])
async def test_a_secret_is_rotated_over_two_instances_and_nobody_is_logged_out(
    database_url: str, redis_url: str, amqp_url: str, careful: bool
) -> None:
    """Without the first step, one instance refuses what the other one has just signed."""
    urls = {"database_url": database_url, "redis_url": redis_url, "amqp_url": amqp_url}
    async with AsyncExitStack() as stack:

        async def start(name: str, **secrets: Any) -> Instance:
            settings = test_settings(instance=name, **urls, **secrets)
            return await stack.enter_async_context(await Instance.start(settings))

        instances = [await start("one"), await start("two")]
        people = [await Person.register(instances[0], f"person{n}") for n in range(3)]
        refused = 0
        for number, secrets in enumerate(STEPS if careful else STEPS[1:]):
            for place in range(len(instances)):
                # The new process serves before the old one leaves.
                instances[place] = await start(f"{place}-{number}", **secrets)
                for person in people[:2]:
                    await person.refresh(instances[place])
                # The third never refreshes; the last step waits until such access tokens are over.
                present = people[:2] if secrets is STEPS[-1] else people
                refused += [
                    await person.is_known_to(instance)
                    for person in present
                    for instance in instances
                ].count(False)
        # Who did not come all the while is still logged in.
        await people[2].refresh(instances[0])
        assert all([await people[2].is_known_to(instance) for instance in instances])
        assert (refused == 0) is careful
