"""The image's HEALTHCHECK, on an instance."""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlsplit

from tests.deployment.test_compose import health_check
from tests.instances import Instance
from tests.servers.ports import ReservedPort


async def checked(port: object) -> int | None:
    """Run the command as Docker does and answer its exit code."""
    return (await said(port))[0]


async def said(port: object) -> tuple[int | None, str]:
    """Its exit code, and what it wrote on standard error."""
    python, *arguments = health_check()
    assert python == "python"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={"SCOREBOARD_PORT": str(port)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    return process.returncode, errors.decode()


async def test_an_instance_is_healthy_as_long_as_it_answers(instance: Instance) -> None:
    assert await checked(urlsplit(instance.url).port or 0) == 0


async def test_silence_is_not_healthy() -> None:
    port = ReservedPort()
    try:
        assert await checked(port.number) == 1
    finally:
        port.release()


async def test_what_a_link_writes_is_no_port_for_the_check_either() -> None:
    """It asks at the default one, where anybody may listen on this machine."""
    assert "ValueError" not in (await said("tcp://172.17.0.5:8080"))[1]
