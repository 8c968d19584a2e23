"""What this machine has for tests."""

from __future__ import annotations

import os


def cores() -> int:
    """How many cores we may use: of a big machine often not all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
