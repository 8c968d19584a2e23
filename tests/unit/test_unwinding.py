"""How `serve` hears that it is to end, asked once or more often."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_STARTING = """
import os, signal, sys, time
from scoreboard.processes.unwinding import ended_by_signals, leave
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a shell
first, second = map(int, sys.argv[1:])
try:
    with ended_by_signals(leave):
        try:
            os.kill(os.getpid(), first)
            time.sleep(60)
        finally:
            os.kill(os.getpid(), second)
            print("servers have ended", flush=True)
finally:
    os.kill(os.getpid(), second)
    print("so have we", flush=True)
"""
_SERVING = """
import asyncio, os, signal
from scoreboard.processes.unwinding import to_its_end
async def serve():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    os.kill(os.getpid(), signal.SIGTERM)
    await stop.wait()
asyncio.run(to_its_end(serve()))
os.kill(os.getpid(), signal.SIGTERM)
print("servers have ended")
"""
_FINALIZING = """
import os, signal, sys, time
from scoreboard.processes.unwinding import ended_by_signals, leave
class Finalized:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        print("its end is reached", flush=True)
with ended_by_signals(leave):
    finalized = Finalized()
    del finalized
    time.sleep(30)
    print("nobody ended it", flush=True)
"""
TWICE = [
    (signal.SIGTERM, signal.SIGTERM),
    (signal.SIGINT, signal.SIGINT),
    (signal.SIGHUP, signal.SIGTERM),
    (signal.SIGTERM, signal.SIGINT),
]


@pytest.mark.parametrize(("first", "second"), TWICE)
def test_what_asks_again_does_not_interrupt_the_end(
    first: signal.Signals, second: signal.Signals
) -> None:
    out, err, code = _run(_STARTING, first, second)

    assert out == "servers have ended\nso have we\n"
    assert "race condition" not in err
    assert code in (0, -signal.SIGINT)  # `cli` makes 130 of a KeyboardInterrupt


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)])
def test_a_signal_that_comes_while_an_object_is_finalized_ends_the_process(
    number: signal.Signals, code: int
) -> None:
    """Python drops what is raised there."""
    out, err, ended_with = _run(_FINALIZING, number)

    assert (out, ended_with) == ("", code)
    assert "Exception ignored" not in err


def test_a_loop_that_closes_lets_no_signal_end_the_process() -> None:
    assert _run(_SERVING) == ("servers have ended\n", "", 0)


def _run(script: str, *arguments: int) -> tuple[str, str, int]:
    command = [sys.executable, "-c", script, *(str(int(each)) for each in arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return ended.stdout, ended.stderr, ended.returncode
