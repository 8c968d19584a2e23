"""What each of these programs is told, and how it says what it heard."""

from __future__ import annotations

import os
import random
import sys
import time

URL = os.environ["CLIENT_URL"]
TOKEN = os.environ.get("CLIENT_TOKEN", "")
HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
SILENCE_SECONDS = float(os.environ["CLIENT_SILENCE_SECONDS"])


def heard(name: str | None, event_id: str | None) -> None:
    """Say that an event came."""
    sys.stdout.write(f"event {name or 'message'} {event_id or ''}\n")
    sys.stdout.flush()


def comment() -> None:
    """Say that a comment came, as heartbeats are."""
    sys.stdout.write("comment\n")
    sys.stdout.flush()


def gone(why: object) -> None:
    """Say that the line ended."""
    sys.stdout.write(f"gone {type(why).__name__}\n")
    sys.stdout.flush()


def pause() -> None:
    """Wait before the next connection, as `retry:` would have it."""
    time.sleep(0.5 + random.random() / 2)
