"""What instances wait for each other after an outage of Redis."""

from __future__ import annotations

import pytest

from scoreboard.copies.delivery import noticed_after
from scoreboard.copies.trust import settled_after


@pytest.mark.parametrize(("timeout_seconds", "noticed", "settled"), [(0.5, 1.5, 1), (2, 3, 2.5)])
def test_what_instances_wait_for_each_other_follows_the_deadline_for_redis(
    timeout_seconds: float, noticed: float, settled: float
) -> None:
    assert noticed_after(1.0, timeout_seconds) == noticed
    assert settled_after(timeout_seconds) == settled
