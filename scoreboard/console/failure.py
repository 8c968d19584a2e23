"""How a command ends when it cannot do what it was asked."""

from __future__ import annotations


class CommandFailed(Exception):
    """What to say on standard error, and what to do about it; the exit code is 1. `code` says which
    failure it is, for programs.
    """

    def __init__(self, message: str, code: str = "command_failed") -> None:
        self.code = code
        super().__init__(message)
