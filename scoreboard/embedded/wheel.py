"""What a wheel brings: the servers' programs, found without running the code of their packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def wheel_files(package: str, pattern: str) -> list[Path]:
    """Find files that an installed package brings, without importing it; none if it is missing."""
    spec = importlib.util.find_spec(package)
    return list(Path(spec.origin).parent.glob(pattern)) if spec and spec.origin else []
