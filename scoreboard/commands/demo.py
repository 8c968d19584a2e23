"""`scoreboard demo`: simulated players against a running service, through its public API alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from scoreboard.commands.actions import read_file
from scoreboard.configuration import sources as configuration
from scoreboard.configuration.kinds import Rate
from scoreboard.console.arguments import (
    EXAMPLE_URL,
    Commands,
    count_up_to,
    is_file,
    service_address,
)
from scoreboard.demo import marks as demo_marks


def add_to(commands: Commands) -> None:
    """Declare `demo`."""
    demo = commands.add(
        "demo",
        _demo,
        "let simulated players play, and show the boards as they change, until Ctrl-C",
        "scoreboard demo                                against `scoreboard serve --embedded`",
        "scoreboard demo --players 50 --rate 8/second   more of it",
        "scoreboard demo --url https://scores.example.org --actions actions.csv --seconds 60",
    )
    _add_service(demo)
    _add_game(demo)


def _add_service(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--url",
        type=service_address,
        default=EXAMPLE_URL,
        help="the service (default: %(default)s)",
    )
    authority = demo.add_argument(
        "--ca",
        metavar="FILE",
        help="believe the certificates in this file, and no others: the service's own, or that of "
        "who signed it (default: as OpenSSL finds them, SSL_CERT_FILE)",
    )
    is_file(authority)


def _add_game(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--players",
        type=count_up_to(10_000),
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
        default=str(configuration.shipped("config") / "demo-actions.csv"),
        help="actions that the service knows, as for `actions load` (default: the demo's)",
    )
    is_file(actions)


def _demo(arguments: argparse.Namespace) -> Coroutine[Any, Any, None]:
    from scoreboard.commands.demo_rounds import play_rounds
    from scoreboard.console.screen import Screen
    from scoreboard.demo import service
    from scoreboard.demo.game import Game

    screen = Screen(sys.stdout)
    game = Game(
        arguments.url,
        read_file(arguments.actions).of_users,
        Path(arguments.actions),
        screen,
        places=arguments.players,
        interval_seconds=arguments.rate.seconds / arguments.rate.count,
        marks=demo_marks.kept_or_new(),
        trust=service.trusting(arguments.ca),
        beside=partial(play_rounds, screen.announce),
    )
    return game.run(arguments.seconds)


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
