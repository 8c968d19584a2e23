"""What tests of the package share."""

from __future__ import annotations

from tests.packed import packed

__all__ = ["packed"]
