"""A service to attack: whole instances, as shipped but for their addresses and where a test says
otherwise.
"""

from __future__ import annotations

from tests.service.conftest import Start, instance, shared_instance, start

__all__ = ["Start", "instance", "shared_instance", "start"]
