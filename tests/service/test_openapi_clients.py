"""Clients that generators make of the OpenAPI document are compiled, and play against a service.

What they play stands in `tests/openapi_clients`. docs/clients.md says how other generators did.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.instances import Instance
from tests.node import node, node_modules
from tests.world import add_actions, add_users

FOLDER = Path(__file__).parents[1] / "openapi_clients"
PLAYED = {
    "actions": ["run", "walk"],
    "score": 50,
    "isOk": True,
    "again": "already_granted",
    "points": 50,
    "rank": 1,
    "found": ["ada0"],
}


@pytest.fixture
async def made(instance: Instance, tmp_path: Path) -> Path:
    """A folder with the programs, and with the document of a service."""
    for path in FOLDER.iterdir():
        if path.suffix in (".ts", ".mjs") or path.name in ("tsconfig.json", "package.json"):
            shutil.copy(path, tmp_path)
    (tmp_path / "node_modules").symlink_to(await node_modules(FOLDER))
    async with instance.client.get("/docs/openapi.json") as response:
        (tmp_path / "openapi.json").write_bytes(await response.read())
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_typed_clients_are_compiled_strictly_and_play(
    instance: Instance, database_url: str, made: Path
) -> None:
    modules = made / "node_modules"
    await node(
        *(modules / "openapi-typescript/bin/cli.js", "openapi.json", "-o", "schema.d.ts"), cwd=made
    )
    await node(
        *(modules / "@hey-api/openapi-ts/bin/run.js", "-f", "openapi-ts.config.mjs"), cwd=made
    )
    await node(modules / "typescript/bin/tsc", "-p", "tsconfig.json", cwd=made)
    add_actions(database_url, {"run": 50, "walk": 20})
    by_types, by_client = add_users(database_url, 2, "ada")

    assert await played("fetch", made, instance, by_types) == {**PLAYED, "unchanged": 304}

    seen = await played("hey", made, instance, by_client)
    told = seen.pop("told")
    assert seen == {**PLAYED, "rank": 2, "found": ["ada1"]}
    # The stream of a generated client has heard of it as well.
    assert [entry["score"] for entry in told["topUsers"]] == [50, 50]


async def played(program: str, made: Path, instance: Instance, user: str) -> dict[str, Any]:
    said = await node(f"out/{program}.js", instance.url, instance.token(user), cwd=made)
    found: dict[str, Any] = json.loads(said)
    return found
