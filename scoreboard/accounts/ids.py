"""The ids of users: UUIDs, written in lower case and with dashes."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

_ID: Final = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


def canonical(text: str) -> str | None:
    """Return the id that a text is, in whatever case and with dashes or not; None if it is none."""
    return str(UUID(text)) if _ID.fullmatch(text) else None
