"""Compares what was kept of a season with the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest

from scoreboard.model import Entry

# An entry of a final board, and when it was reached.
Place = tuple[Entry, datetime]


def digest_of(kept: Sequence[Place]) -> str:
    """The SHA-256 of a line for each entry: its place, the user's id, the score as it is shown, and
    when it was reached. It is what `close_seasons` keeps.
    """
    lines = (
        f"{place} {entry.user_id} {entry.score} {_exact(at)}"
        for place, (entry, at) in enumerate(kept, 1)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def differences(
    kept: Sequence[Place], derived: Sequence[tuple[str, int, datetime]], users: set[str]
) -> Iterator[str]:
    """Say where the entries that were kept differ from those that the ledger rows make, both best
    first. Of `kept` those are left out who are not among `users` any more: their ledger rows went
    with them, and others moved up.
    """
    here = [
        (place, (entry.user_id, entry.score, at))
        for place, (entry, at) in enumerate(kept, 1)
        if entry.user_id in users
    ]
    moved_up = len(kept) - len(here)
    compared = derived[: len(here)] if moved_up else derived
    for number, (was, now) in enumerate(zip_longest(here, compared), 1):
        if was is None:
            yield f"place {number}: nobody was kept, and the ledger has {_said(now)}"
        elif now is None:
            yield f"place {was[0]}: {_said(was[1])} was kept, and the ledger has nobody"
        elif was[1] != now:
            yield f"place {was[0]}: {_said(was[1])} was kept, and the ledger has {_said(now)}"


def _said(entry: tuple[str, int, datetime]) -> str:
    user_id, score, reached_at = entry
    return f"user {user_id} with {score}, reached at {_exact(reached_at)}"


def _exact(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
