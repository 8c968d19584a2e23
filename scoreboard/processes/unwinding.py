"""How `serve` hears that it is to end: before its loop listens for that, and after.

What asks a process to end unwinds it, so that the embedded servers end with it; what asks again
does not interrupt that.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, NoReturn

from scoreboard.console.terminal import HANG_UP_SECONDS, has_terminal
from scoreboard.operations.endings import ending_signals

Handler = Callable[[int, FrameType | None], None]


@contextlib.contextmanager
def ended_by_signals(on_hang_up: Handler) -> Iterator[None]:
    """Let what asks a process to end unwind it until the service listens for that itself, so that
    the embedded servers end with it.
    """
    handlers: dict[signal.Signals, Handler] = dict.fromkeys(ending_signals(), leave)
    if signal.SIGHUP in handlers:
        handlers[signal.SIGHUP] = on_hang_up
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            is_ending = signal.getsignal(number) is _heed_not
            signal.signal(number, signal.SIG_IGN if is_ending else handler)


def leave(number: int, _: FrameType | None) -> NoReturn:
    """Unwind, once: a second signal would interrupt the servers' end, which the first one began."""
    heed_no_more()  # guard: asks-again-not
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(0)


async def to_its_end(service: Coroutine[Any, Any, None]) -> None:
    """Serve. A loop that closes lets signals end the process where it stands, which would leave the
    embedded servers behind: so they are taken from it before.
    """
    try:
        await service
    finally:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ending_signals())
        for number in ending_signals():
            asyncio.get_running_loop().remove_signal_handler(number)  # guard: loop-closes-lets
        heed_no_more()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def heed_no_more() -> None:
    """Let what asks the process to end change nothing: it ends already."""
    for number in ending_signals():
        signal.signal(number, _heed_not)


def _heed_not(_: int, __: FrameType | None) -> None:
    """Do nothing. (Of one that has come and is then to be ignored Python prints a traceback.)"""


def leave_if_hung_up() -> Handler:
    """What SIGHUP does before there are workers to be renewed: nothing, unless it is the end of our
    terminal.
    """
    had_terminal = has_terminal()

    def hung_up(number: int, frame: FrameType | None) -> None:
        time.sleep(HANG_UP_SECONDS)
        if had_terminal and not has_terminal():
            leave(number, frame)

    return hung_up
