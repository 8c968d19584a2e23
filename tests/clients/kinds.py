"""The kinds of clients: commands, and programs of each language."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.client import HERE, Client, Heard, NotHereError, RawHeard, Told, a_process
from tests.clients.client import output_of as said_by
from tests.node import NODE, node_modules

# What is installed for clients, once for each checkout.
CACHE = HERE.parents[1] / ".clients"
PACKAGES = HERE / "packages"


@dataclass(frozen=True, slots=True)
class Command(Client):
    """A command that writes the stream as it comes."""

    arguments: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return "Command"

    async def version(self) -> str:
        return number_in(await said_by(self.name, "--version"))

    @asynccontextmanager
    async def following(self, told: Told) -> AsyncIterator[Heard]:
        token = ("--header", f"Authorization: Bearer {told.token}") if told.token else ()
        async with a_process((self.name, *self.arguments, *token, told.url), {}, RawHeard()) as one:
            yield one


@dataclass(frozen=True, slots=True)
class NodeProgram(Client):
    """A program of `node`, with packages of npm."""

    @property
    def place(self) -> str:
        return "Node"

    async def version(self) -> str:
        return await npm_version(self.name)

    @asynccontextmanager
    async def following(self, told: Told) -> AsyncIterator[Heard]:
        program = HERE / "node" / f"{self.name}.mjs"
        environment = told.environment() | {"CLIENT_MODULES": str(await modules())}
        async with a_process((NODE, program), environment, Heard()) as heard:
            yield heard


@dataclass(frozen=True, slots=True)
class PythonProgram(Client):
    """A program of `python`; `needs` is what pip installs for it, its own package first."""

    needs: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return "Python"

    async def version(self) -> str:
        await self._installed()
        return self.needs[0].partition("==")[2]

    @asynccontextmanager
    async def following(self, told: Told) -> AsyncIterator[Heard]:
        program = HERE / "python" / f"{self.name.replace('-', '_')}_client.py"
        environment = told.environment() | {"PYTHONPATH": str(await self._installed())}
        async with a_process((sys.executable, program), environment, Heard()) as heard:
            yield heard

    async def _installed(self) -> Path:
        place = CACHE / f"python-{_digest(*self.needs)}"
        if not place.exists():
            begun = place.with_suffix(".begun")
            shutil.rmtree(begun, ignore_errors=True)
            quiet = ("--quiet", "--disable-pip-version-check", "--target", begun)
            await said_by(sys.executable, "-m", "pip", "install", *quiet, *self.needs)
            begun.rename(place)
        return place


@dataclass(frozen=True, slots=True)
class JavaProgram(Client):
    """A program of `java`, on archives that Debian's packages bring, its own one first."""

    program: str = ""
    archives: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return "Java"

    async def version(self) -> str:
        if not self.archives:
            return number_in(await said_by("javac", "-version"))
        return number_in(self._paths()[0].resolve().name)

    @asynccontextmanager
    async def following(self, told: Told) -> AsyncIterator[Heard]:
        path = ":".join(map(str, self._paths()))
        made = CACHE / f"java-{self.program}"
        made.mkdir(parents=True, exist_ok=True)
        source = HERE / "java" / f"{self.program}.java"
        await said_by("javac", "-cp", f"{path}:", "-d", made, source)
        command = ("java", "-cp", f"{made}:{path}", self.program)
        async with a_process(command, told.environment(), Heard()) as heard:
            yield heard

    def _paths(self) -> list[Path]:
        paths = [Path("/usr/share/java", f"{name}.jar") for name in self.archives]
        if missing := [path.name for path in paths if not path.exists()]:
            raise NotHereError(f"no {', '.join(missing)} in /usr/share/java")
        return paths


@dataclass(frozen=True, slots=True)
class GoProgram(Client):
    """A program of `go`, on packages that Debian brings as sources."""

    program: str = ""
    package: str = ""  # of Debian

    @property
    def place(self) -> str:
        return "Go"

    async def version(self) -> str:
        if not self.package:
            return number_in(await said_by("go", "version"))
        return number_in(await said_by("dpkg-query", "-W", "-f", "${Version}", self.package))

    @asynccontextmanager
    async def following(self, told: Told) -> AsyncIterator[Heard]:
        made = CACHE / f"go-{self.program}"
        CACHE.mkdir(exist_ok=True)
        sources = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
        folder = HERE / "go" / self.program
        await said_by("go", "build", "-o", made, ".", cwd=folder, **sources)
        async with a_process((made,), told.environment(), Heard()) as heard:
            yield heard


async def modules() -> Path:
    """Where npm's packages are. Raises NotHereError."""
    try:
        return await node_modules(PACKAGES)
    except pytest.skip.Exception as missing:
        raise NotHereError(str(missing)) from missing


async def npm_version(package: str) -> str:
    """Which version of a package is installed. Raises NotHereError."""
    text = (await modules() / package / "package.json").read_text(encoding="utf-8")
    return number_in(re.sub(r'(?s).*"version": *"', "", text))


def number_in(text: str) -> str:
    """The first version in a text."""
    found = re.search(r"\d+(\.\d+)+(-\d+)?", text)
    return found[0] if found else "?"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:10]
