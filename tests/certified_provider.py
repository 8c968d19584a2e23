"""A certified OpenID provider that others wrote: `oidc-provider` of npm, run by node."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "service" / "oidc_provider"
INSTALL_SECONDS = 120


@contextmanager
def installed_in(directory: Path) -> Iterator[Path]:
    """Lend a directory with the provider and all that it needs; skips the test without node."""
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        pytest.skip("node and npm are not installed: the provider of npm cannot be run")
    shutil.copytree(SOURCE, directory, dirs_exist_ok=True)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    try:
        subprocess.run(command, cwd=directory, check=True, timeout=INSTALL_SECONDS)
    except (subprocess.SubprocessError, OSError):
        pytest.skip("npm could not install oidc-provider: its registry cannot be reached")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def running(directory: Path, way_back: str = "") -> AsyncIterator[str]:
    """Run it; lends its issuer. With `way_back` it has a client `page` that people log in for."""
    process = await asyncio.create_subprocess_exec(
        "node",
        "server.js",
        *filter(None, [way_back]),
        cwd=directory,
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
