"""What several servers that belong together have in common."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self


class ServerGroup:
    """Servers that begin and end together; `destroy` ends those that `start` got as far as."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def start(self) -> Self:
        """Start all of them, and answer when they serve together."""
        with ExitStack() as stack:
            self.start_each(stack)
            self._stack = stack.pop_all()
        return self

    def start_each(self, stack: ExitStack) -> None:
        """Start each, once the stack knows how to end it."""
        raise NotImplementedError

    def destroy(self) -> None:
        """End all of them."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.destroy()
