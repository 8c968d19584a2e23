"""How `serve` hears that it is to end: before its loop listens for that, and after.

A signal that asks the process to end unwinds it, so that the embedded servers end with it. A
second signal does not interrupt that.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, Final, NoReturn

from scoreboard.console.terminal import HANG_UP_SECONDS, has_terminal
from scoreboard.operations.endings import ending_signals

Handler = Callable[[int, FrameType | None], None]

_MOMENT_SECONDS: Final = 0.01


@contextlib.contextmanager
def ended_by_signals(on_hang_up: Handler) -> Iterator[None]:
    """Have signals unwind the process until the service listens for them itself."""
    handlers: dict[signal.Signals, Handler] = dict.fromkeys(ending_signals(), leave)
    if signal.SIGHUP in handlers:
        handlers[signal.SIGHUP] = on_hang_up
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        with _no_end_lost():
            yield
    finally:
        for number, handler in before.items():
            is_ending = signal.getsignal(number) is _do_nothing
            signal.signal(number, signal.SIG_IGN if is_ending else handler)


def leave(number: int, _: FrameType | None) -> NoReturn:
    """Unwind, once: a second signal would interrupt the servers' end, which the first one began."""
    ignore_signals()  # guard: asks-again-not
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(0)


@contextlib.contextmanager
def _no_end_lost() -> Iterator[None]:
    """Within, raise once more what a signal raised while an object was finalized: Python drops
    whatever is raised there, and only tells this hook of it.
    """
    hook = sys.unraisablehook

    def raise_again(dropped: sys.UnraisableHookArgs) -> None:
        has_left = signal.getsignal(signal.SIGTERM) is _do_nothing
        if not has_left or dropped.exc_type not in (KeyboardInterrupt, SystemExit):
            hook(dropped)  # of somebody else
            return
        number = signal.SIGINT if dropped.exc_type is KeyboardInterrupt else signal.SIGTERM
        # A moment later, because it would be dropped here as well.
        signal.signal(signal.SIGALRM, lambda _, frame: leave(number, frame))
        signal.setitimer(signal.ITIMER_REAL, _MOMENT_SECONDS)

    sys.unraisablehook = raise_again  # guard: end-dropped-comes
    try:
        yield
    finally:
        sys.unraisablehook = hook


async def to_its_end(service: Coroutine[Any, Any, None]) -> None:
    """Await the service, and take the signals from the loop before it closes: a closed loop lets
    them end the process where it stands, and the embedded servers would stay.
    """
    try:
        await service
    finally:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ending_signals())
        for number in ending_signals():
            asyncio.get_running_loop().remove_signal_handler(number)  # guard: loop-closes-lets
        ignore_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_signals() -> None:
    """Let signals change nothing: the process ends already."""
    for number in ending_signals():
        signal.signal(number, _do_nothing)


def _do_nothing(_: int, __: FrameType | None) -> None:
    """Do nothing. (For a signal that comes just before SIG_IGN Python prints a traceback.)"""


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
