"""`scoreboard openapi`: what /docs shows, without a server."""

from __future__ import annotations

import argparse
import json

from scoreboard.configuration import sources as configuration
from scoreboard.console.arguments import Commands
from scoreboard.console.terminal import say


def add_to(commands: Commands) -> None:
    """Declare `openapi`."""
    commands.add(
        "openapi",
        _openapi,
        "write the OpenAPI document of the API, which /docs shows",
        "scoreboard openapi > openapi.json",
    )


def _openapi(_: argparse.Namespace) -> int:
    from scoreboard import app
    from scoreboard.api.docs.pages import DOCUMENT

    # Described, never started: the parts only have to be made, so any addresses will do.
    places = {"database_url": "postgresql://localhost", "redis_url": "redis://localhost"}
    document = app.create_app(configuration.load({}, **places))[DOCUMENT]
    say(json.dumps(document, indent=2, ensure_ascii=False))
    return 0
