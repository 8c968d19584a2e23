"""What somebody who tries `scoreboard serve --embedded` is told once it serves."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Final

import structlog

from scoreboard.console import exports
from scoreboard.console.terminal import program, say
from scoreboard.processes.streams import OutputLost

log = structlog.get_logger("scoreboard.serving")

_WELCOME: Final = """
  Scoreboard runs. Open {address} to watch the board live.

    players            {players}
    what it offers     {offers}
    the board          curl {board}
    its stream         curl -N {stream}
    an account         curl {address}/api/auth/register -H 'Content-Type: application/json' \\
      -d '{{"username": "ada", "email": "ada@example.org", "password": "analytical engine"}}'
{servers}
  Ctrl-C ends it.
"""


def show(address: str, servers: Sequence[str]) -> None:
    """Say where everything is: on a terminal to a person, elsewhere to the log. `servers` has the
    lines of shell after which other commands find the embedded servers.
    """
    # A client cannot go to every address; this machine is one of them.
    for everywhere in ("//0.0.0.0:", "//[::]:"):
        address = address.replace(everywhere, "//127.0.0.1:")
    facts = {
        "address": address,
        "players": f"{program()} demo --url {address}",
        "offers": f"{address}/docs",
        "board": f"{address}/api/leaderboard",
        "stream": f"{address}/api/leaderboard/stream",
    }
    if not sys.stdout.isatty():
        log.info(
            "scoreboard.serving.embedded",
            **facts,
            account=f"POST {address}/api/auth/register with username, email and password",
            data=str(exports.DIRECTORY.resolve()),
            other_commands_need=[line.strip() for line in servers],
            end=f"Ctrl-C, or kill {os.getpid()}",
        )
        return
    others = ["", f"  Other commands ({program()} users list) need", *servers, ""]
    with contextlib.suppress(OutputLost):  # it serves all the same
        say(_WELCOME.format(**facts, servers="\n".join(others) if servers else ""))
        sys.stdout.flush()
