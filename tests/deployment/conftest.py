"""Instances, as those of tests/service have them."""

from __future__ import annotations

from tests.service.conftest import Start, instance, start

__all__ = ["Start", "instance", "start"]
