"""Tokens of a certified OpenID provider that others wrote: `oidc-provider` of npm, run by node."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.eventually import eventually
from tests.instances import Start

SOURCE = Path(__file__).parent / "oidc_provider"
INSTALL_SECONDS = 120


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the provider and all that it needs."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed: the provider of npm cannot be run")
    directory = tmp_path_factory.mktemp("oidc_provider")
    shutil.copytree(SOURCE, directory, dirs_exist_ok=True)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    try:
        subprocess.run(command, cwd=directory, check=True, timeout=INSTALL_SECONDS)
    except (subprocess.SubprocessError, OSError):
        pytest.skip("npm could not install oidc-provider: its registry cannot be reached")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def issuer(installed: Path) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        "node",
        "server.js",
        cwd=installed,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
            while not line.startswith(b"http"):
                assert line, "the provider ended"
                line = await process.stdout.readline()
        yield line.decode().strip()
    finally:
        process.kill()
        await process.wait()


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
