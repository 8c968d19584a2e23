"""Commands of the operator, as processes of their own."""

from __future__ import annotations

import asyncio
import os
import sys


async def command(environment: dict[str, str], *argv: str) -> tuple[int, str]:
    """Run `scoreboard` with these arguments and no other settings; exit code and all it said."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SCOREBOARD_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scoreboard", *argv),
        env=clean | environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()
