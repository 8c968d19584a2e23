"""How a command ends when it cannot do what it was asked."""

from __future__ import annotations


class CommandFailed(Exception):
    """What to say on standard error, and what to do about it; the exit code is 1."""
