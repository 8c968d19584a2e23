"""The ids of users: UUIDs, written in lower case and with dashes."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

_ID: Final = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


def canonical(text: str) -> str | None:
    """Return the id that a text is, in whatever case and with dashes or not; None if it is none."""
    return str(UUID(text)) if _ID.fullmatch(text) else None


def is_computed(user_id: str) -> bool:
    """Whether an id is of the kind that is computed from a source and its own id of somebody, as
    are those of a game's players and of most providers' users: UUIDs of version 5. Who knows the
    two can compute it too.
    """
    return UUID(user_id).version == 5
