"""The image's HEALTHCHECK, on an instance."""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlsplit

from tests.deployment.test_compose import health_check
from tests.instances import Instance
from tests.servers.ports import ReservedPort


async def checked(port: int) -> int:
    """Run the command as Docker does and answer its exit code."""
    python, *arguments = health_check()
    assert python == "python"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={"SCOREBOARD_PORT": str(port)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


async def test_an_instance_is_healthy_as_long_as_it_answers(instance: Instance) -> None:
    assert await checked(urlsplit(instance.url).port or 0) == 0


async def test_silence_is_not_healthy() -> None:
    port = ReservedPort()
    try:
        assert await checked(port.number) == 1
    finally:
        port.release()
