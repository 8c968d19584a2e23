"""What signals do to this process, for tests that run a command within it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    """A command that has ended leaves what ends a process ignored, and so whatever the next test
    starts would ignore it from its birth on.
    """
    before = {number: signal.getsignal(number) for number in _ENDING}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
