"""Tokens of a certified OpenID provider that others wrote: `oidc-provider` of npm, run by node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.certified_provider import INSTALL_SECONDS, installed_in, running
from tests.eventually import eventually
from tests.instances import Start


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with installed_in(tmp_path_factory.mktemp("oidc_provider")) as directory:
        yield directory


@pytest.fixture
async def issuer(installed: Path) -> AsyncIterator[str]:
    async with running(installed) as name:
        yield name


@pytest.mark.timeout(INSTALL_SECONDS + 60)
async def test_tokens_of_a_provider_that_others_wrote_are_good(start: Start, issuer: str) -> None:
    """By each algorithm, found by its own description and its own keys."""
    instance = await start(oidc_issuers={issuer: {"audience": "scoreboard"}})
    other = await start(oidc_issuers={issuer: {"audience": "something else"}})
    await eventually(lambda: instance.metric("provider_keys", issuer=issuer) == 3)
    users = set()
    async with aiohttp.ClientSession() as client:
        for algorithm in ("RS256", "ES256", "EdDSA"):
            async with client.post(
                f"{issuer}/token",
                data={"grant_type": "client_credentials", "scope": "play"},
                headers={"Authorization": aiohttp.encode_basic_auth(algorithm, "secret")},
            ) as response:
                document = await response.json()
                assert response.status == 200, document
            bearer = {"Authorization": f"Bearer {document['access_token']}"}
            async with instance.client.get("/api/me", headers=bearer) as response:
                found = await response.json()
                assert response.status == 200, found
                users.add(found["data"]["userId"])
            async with other.client.get("/api/me", headers=bearer) as response:
                assert response.status == 403
    assert len(users) == 3
