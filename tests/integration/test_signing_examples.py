"""The examples of docs/server-keys.md, as they stand there, against a handler that verifies."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from scoreboard.errors import ScoreboardError
from scoreboard.keys.server_key import shown
from scoreboard.keys.verifying import SignedRequest, verify
from tests.signing import KEY, OTHER_SECRET, SECRET, keyring

PAGE = Path(__file__).parent.parent.parent / "docs" / "server-keys.md"
# By the language of the block: what runs it, and the name of its file.
RUNS = {
    "python": ([sys.executable], "sign.py"),
    "javascript": (["node"], "sign.mjs"),
    "sh": (["sh", "-eu"], "sign.sh"),
}


async def results(request: web.Request) -> web.Response:
    signed = SignedRequest(
        request.method, request.rel_url.raw_path_qs, request.headers, await request.read()
    )
    try:
        key = verify(signed, keyring(), "results", time.time())
    except ScoreboardError as refusal:
        return web.json_response({"code": refusal.code}, status=refusal.status)
    return web.json_response({"source": key.source, "got": await request.json()})


@pytest.fixture
async def service() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/api/results", results)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


def example(language: str) -> str:
    code, *_ = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    return str(code)


@pytest.mark.parametrize("language", RUNS)
async def test_the_example_signs_a_request_that_is_taken(
    language: str, service: str, tmp_path: Path
) -> None:
    (program, *options), name = RUNS[language]
    if (found := shutil.which(program)) is None:
        pytest.skip(f"{program} is not installed")
    (tmp_path / name).write_text(example(language), encoding="utf-8")

    async def said(secret: bytes) -> str:
        process = await asyncio.create_subprocess_exec(
            *(found, *options, str(tmp_path / name)),
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "KEY_ID": KEY.key_id,
                "KEY_SECRET": shown(secret),
                "SERVICE": service,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return output.decode()

    good = await said(SECRET)
    assert '"source": "arena"' in good, good
    assert '{"results": [{"board": "cup", "value": 1500}]}' in good
    bad = await said(OTHER_SECRET)
    # Python's client shows no body of a refusal.
    assert "401" in bad if language == "python" else "bad_signature" in bad, bad
