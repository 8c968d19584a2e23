"""Clients that nobody here wrote: curl, and schemathesis with what the OpenAPI document says.

httpx-sse is in `test_streams`, a browser's EventSource in `tests/browser`.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.clients.catalogue import CLIENTS
from tests.clients.table import PAGE, rows_of
from tests.clients.trial import YES, Row, a_world, tried
from tests.instances import Instance
from tests.world import add_actions, add_users

# Streams never end; the checks are those about what the server answers. Not among them is the one
# that holds a schema-valid body to be a good one: an action may have been granted before.
SCHEMATHESIS = (
    "--exclude-path-regex=stream$",
    "--checks=not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,unsupported_method,"
    "negative_data_rejection,allow_header_conformance,ignored_auth",
    "--max-examples=15",
    "--seed=2",
    "--request-timeout=10",
    "--suppress-health-check=all",
)


async def run(*command: str, within_seconds: float = 50.0) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(within_seconds):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        output, _ = await process.communicate()
        raise AssertionError(f"{command[0]} did not end: {output.decode()[-3000:]}") from None
    return process.returncode or 0, output.decode()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_schemathesis_finds_no_answer_that_the_document_does_not_promise(
    instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"daily-login": 10})
    status, output = await run(
        *(sys.executable, "-m", "schemathesis.cli", "run"),
        f"{instance.url}/docs/openapi.json",
        f"--header=Authorization: Bearer {instance.token(user)}",
        *SCHEMATHESIS,
        within_seconds=100.0,
    )
    assert status == 0, output[-5000:]
    # Bodies that break the schema, tokens left out, and log-ins that go on with what they were
    # given: all of it was tried.
    assert re.search(r"API Links: +[1-9]", output), output[-5000:]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_submits_and_reads_the_stream(instance: Instance, database_url: str) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    body = json.dumps({"actionId": "run"})
    async with following(f"{instance.url}/api/leaderboard/stream") as stream:
        await stream.readuntil(b"event: connected\n")
        status, answer = await run(
            *("curl", "-s", "-X", "POST", f"{instance.url}/api/actions", "-d", body),
            *("-H", "Content-Type: application/json"),
            *("-H", f"Authorization: Bearer {instance.token(user)}"),
        )
        assert (status, json.loads(answer)["message"]) == (0, "Score Updated")
        await stream.readuntil(b"event: score:update\n")
        await stream.readuntil(user.encode())


@asynccontextmanager
async def following(url: str) -> AsyncIterator[asyncio.StreamReader]:
    """What curl writes of a stream, for as long as it is looked at."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("curl", "-sN", url, stdout=pipe)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(50):
            yield process.stdout
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_does_what_the_table_of_clients_says(
    database_url: str, redis_url: str, amqp_url: str
) -> None:
    """The one trial that runs with the tests; `make clients` has all of them."""
    [curl] = [client for client in CLIENTS if client.name == "curl"]
    async with a_world(database_url, redis_url, amqp_url) as world:
        row = await tried(curl, world)
    assert row == Row(row.version, YES, YES, "itself", YES, YES, YES, YES)
    assert rows_of(PAGE.read_text(encoding="utf-8"))["curl"][1:] == [
        *(YES, YES, "by itself"),
        *(YES, YES, YES, YES),
    ]
