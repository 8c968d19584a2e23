"""`scoreboard demo`: simulated players against a running service, through its public API alone."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from scoreboard import configuration
from scoreboard.commands import demo_marks
from scoreboard.commands.actions import read_file
from scoreboard.commands.arguments import Commands, is_file
from scoreboard.settings import Rate

_URL: Final = "http://127.0.0.1:8080"


def add_to(commands: Commands) -> None:
    """Declare `demo`."""
    demo = commands.add(
        "demo",
        _demo,
        "let simulated players play, and show the board as it changes, until Ctrl-C",
        "scoreboard demo                                against `scoreboard serve --embedded`",
        "scoreboard demo --players 50 --rate 8/second   more of it",
        "scoreboard demo --url https://scores.example.org --actions actions.csv --seconds 60",
    )
    demo.add_argument("--url", type=_url, default=_URL, help="the service (default: %(default)s)")
    demo.add_argument(
        "--players",
        type=_players,
        default=20,
        metavar="N",
        help="how many play at once (default: %(default)s); they come one by one, because the "
        "service limits how many accounts an address may make",
    )
    demo.add_argument(
        "--rate",
        type=_rate,
        default=Rate(5, 1),
        help="submissions of all players together (default: 5/second)",
    )
    demo.add_argument("--seconds", type=_seconds, metavar="N", help="end after this long")
    actions = demo.add_argument(
        "--actions",
        metavar="FILE",
        default=str(configuration.config_directory() / "demo-actions.csv"),
        help="actions that the service knows, as for `actions load` (default: the demo's)",
    )
    is_file(actions)


def _demo(arguments: argparse.Namespace) -> int:
    from scoreboard.commands.game import Game  # brings aiohttp, for which no other command waits
    from scoreboard.commands.spectator import Screen

    actions = list(read_file(arguments.actions).points)
    game = Game(
        arguments.url,
        actions,
        Screen(sys.stdout),
        players=arguments.players,
        interval_seconds=arguments.rate.seconds / arguments.rate.count,
        actions_file=Path(arguments.actions),
        marks=demo_marks.kept_or_new(),
    )
    asyncio.run(game.run(arguments.seconds))
    return 0


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        good = False
    if not good:
        raise argparse.ArgumentTypeError(f"an address like {_URL} is expected")
    return text.rstrip("/")


def _players(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError("a whole number from 1 to 10000 is expected")
    return int(text)


def _rate(text: str) -> Rate:
    try:
        return Rate.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("a number above 0 is expected")
    return seconds
