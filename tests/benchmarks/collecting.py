"""The service, with a garbage collector that runs when it is told to and at no other time.

    python -m tests.benchmarks.collecting serve …

Each line of standard input is a full collection. What it found is written to standard output, as a
line of JSON behind `COLLECTED`.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from scoreboard.cli import main
from scoreboard.operations import memory

SAYS: Final = "COLLECTED"
_KINDS_MAX: Final = 12


def collect() -> dict[str, Any]:
    """Collect everything: how many objects nobody could reach any more, for how much processor
    time nothing else could run, and how many were looked at. `kinds` says what the objects were.
    """
    looked_at = len(gc.get_objects())
    gc.set_debug(gc.DEBUG_SAVEALL)  # what is found is kept, to be looked at
    began = time.thread_time()
    gc.collect()
    seconds = time.thread_time() - began
    gc.set_debug(0)
    found = gc.garbage
    kinds = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in found)
    answer = {
        "found": len(found),
        "pause_ms": seconds * 1_000,
        "looked_at": looked_at,
        "kinds": dict(kinds.most_common(_KINDS_MAX)),
    }
    found.clear()
    gc.collect()
    return answer


def _collect_at(lines: Iterable[str]) -> None:
    for _ in lines:
        print(SAYS, json.dumps(collect()), flush=True)  # noqa: T201


if __name__ == "__main__":
    gc.disable()
    gc.enable = gc.disable  # the program switches it on, once its modules are loaded
    memory.TOGETHER = sys.maxsize  # it leaves out nothing that is to be counted
    threading.Thread(target=_collect_at, args=(sys.stdin,), daemon=True).start()
    main()
