"""A client that is tried: what it is, how it is started, and what it says."""

from __future__ import annotations

import asyncio
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
# How long a line may be silent before a client that watches it gives it up: four heartbeats.
SILENCE_SECONDS = 2.0


class NotHereError(Exception):
    """A client cannot be tried on this machine; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a client is told."""

    url: str
    token: str = ""

    def environment(self) -> dict[str, str]:
        return {
            "CLIENT_URL": self.url,
            "CLIENT_TOKEN": self.token,
            "CLIENT_SILENCE_SECONDS": str(SILENCE_SECONDS),
        }


@dataclass
class Heard:
    """What a client has said so far: `event NAME ID`, `comment`, and whatever else it likes."""

    names: list[str] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    comments: int = 0
    lines: list[str] = field(default_factory=list)

    def take(self, line: str) -> None:
        self.lines.append(line)
        word, _, rest = line.strip().partition(" ")
        if word == "comment":
            self.comments += 1
        elif word == "event":
            name, _, event_id = rest.partition(" ")
            self.event(name, event_id)

    def event(self, name: str, event_id: str) -> None:
        self.names.append(name)
        if name == "score:update" and event_id.isdigit():
            self.versions.append(int(event_id))

    @property
    def version(self) -> int:
        """The newest version that it heard."""
        return max(self.versions, default=-1)


@dataclass
class RawHeard(Heard):
    """The same of a command that writes the stream as it is."""

    _fields: dict[str, str] = field(default_factory=dict)

    def take(self, line: str) -> None:
        self.lines.append(line)
        name, _, value = line.rstrip("\r\n").partition(":")
        if not line.strip():
            self.event(self._fields.get("event", ""), self._fields.get("id", ""))
            self._fields.clear()
        elif not name:
            self.comments += 1
        else:
            self._fields[name] = value.strip()


@dataclass(frozen=True, slots=True)
class Client(ABC):
    """A client of a kind. `advice` says what to set, and what it takes beside the library."""

    name: str
    # How it comes back after a cut: by itself, or because its program has a loop for that.
    comes_back: Literal["itself", "loop"]
    advice: str
    # Whether it can send the token's header.
    sends_token: bool = True

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it runs, for the table."""

    @abstractmethod
    async def version(self) -> str:
        """Its version here. Raises NotHereError."""

    @abstractmethod
    def following(self, told: Told) -> AbstractAsyncContextManager[Heard]:
        """Start it, and end it afterwards."""


async def output_of(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """What a command writes; NotHereError if it is missing or fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            env={**os.environ, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        raise NotHereError(f"{command[0]} is not installed") from error
    output, _ = await process.communicate()
    if process.returncode:
        raise NotHereError(output.decode(errors="replace")[-300:])
    return output.decode(errors="replace")


@asynccontextmanager
async def a_process(
    command: Sequence[str | Path], environment: Mapping[str, str], heard: Heard
) -> AsyncIterator[Heard]:
    """Run a command, and take each line that it writes, until it is no longer needed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            heard.take(line.decode(errors="replace"))

    reading = asyncio.create_task(read())
    try:
        yield heard
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await reading
