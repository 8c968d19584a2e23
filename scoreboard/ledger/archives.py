"""Compares what was kept of a season with what is derived of the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import zip_longest

from scoreboard.model import Entry
from scoreboard.timestamps import exact_timestamp

# An entry that was kept of a season, and when its score was reached.
KeptEntry = tuple[Entry, datetime]


def digest_of(kept: Sequence[KeptEntry]) -> str:
    """The SHA-256 of a line for each entry: its rank, the user's id, the score as it is shown, and
    when it was reached. It is what `close_seasons` keeps.
    """
    lines = (
        f"{rank} {entry.user_id} {entry.score} {exact_timestamp(at)}"
        for rank, (entry, at) in enumerate(kept, 1)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def differences(
    kept: Sequence[KeptEntry], derived: Sequence[tuple[str, int, datetime]]
) -> Iterator[str]:
    """Say where the entries that were kept differ from those that are derived, both best first."""
    here = [(entry.user_id, entry.score, at) for entry, at in kept]
    for rank, (was, now) in enumerate(zip_longest(here, derived), 1):
        if was != now:
            yield f"rank {rank}: {_said(was)} was kept, and the ledger has {_said(now)}"


def _said(entry: tuple[str, int, datetime] | None) -> str:
    if entry is None:
        return "nobody"
    user_id, score, reached_at = entry
    return f"user {user_id} with {score}, reached at {exact_timestamp(reached_at)}"
