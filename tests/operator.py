"""Somebody who runs commands in this process, beside instances that serve."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from scoreboard import cli
from scoreboard.operations import logs
from tests.instances import SECRET


@dataclass(frozen=True)
class Said:
    """What became of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The report, where --json was asked for."""
        return json.loads(self.out)

    @property
    def failure(self) -> dict[str, Any]:
        """The failure, where --json was asked for."""
        failure: dict[str, Any] = json.loads(self.err.splitlines()[-1])
        return failure


class Operator:
    """Runs commands against servers at these addresses."""

    def __init__(
        self,
        database_url: str,
        redis_url: str,
        patch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        for name in [name for name in os.environ if name.startswith("SCOREBOARD_")]:
            patch.delenv(name)
        patch.setenv("SCOREBOARD_DATABASE_URL", database_url)
        patch.setenv("SCOREBOARD_REDIS_URL", redis_url)
        patch.setenv("SCOREBOARD_JWT_SECRET", SECRET)
        patch.setenv("SCOREBOARD_REDIS_TIMEOUT_SECONDS", "10")
        self._capsys = capsys

    async def __call__(self, *argv: str) -> Said:
        """Run one, in a thread with a loop of its own."""
        logs.configure("error", "console", "cli")  # as the command does; an instance may log before
        self._capsys.readouterr()
        code = await asyncio.to_thread(cli.run, argv)
        structlog.reset_defaults()  # what it logs to is gone with this test
        output = self._capsys.readouterr()
        return Said(code, output.out, output.err)


@pytest.fixture
def operator(
    database_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Operator:
    """Runs commands on the servers of this test."""
    return Operator(database_url, redis_url, monkeypatch, capsys)
