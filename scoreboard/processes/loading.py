"""How a process loads its modules at the start."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def for_good() -> Iterator[None]:
    """Load modules within: the garbage collector rests meanwhile, and never looks at what is there
    at the end. It stays as long as the process, and to look through it again and again, and once
    more before the process ends, takes a fifth of a command's time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
