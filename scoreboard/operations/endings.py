"""Which signals ask a process to end."""

from __future__ import annotations

import signal


def ending_signals() -> tuple[signal.Signals, ...]:
    """SIGTERM; SIGINT, also where a shell that started us in the background let us ignore it; and
    SIGHUP, which the end of a terminal sends, unless somebody (`nohup`) said to ignore it.
    """
    asked = (signal.SIGTERM, signal.SIGINT)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # guard: nohup-said-stays
        return asked
    return (*asked, signal.SIGHUP)  # guard: end-terminal-ends-embedded
