"""Orders of moderation: bounded, and done to the end whoever leaves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from scoreboard.errors import Overloaded
from scoreboard.ledger.audited import Done
from scoreboard.scoring.orders import Orders
from tests.eventually import eventually


class Announced:
    """Keeps what is announced."""

    def __init__(self) -> None:
        self.times = 0

    async def announce(self, _: Any) -> bool:
        self.times += 1
        return True


async def test_orders_are_bounded_and_done_to_the_end_whoever_leaves() -> None:
    announced, may_end, begun = Announced(), asyncio.Event(), 0
    orders = Orders(cast(Any, None), cast(Any, announced))

    async def act(_: Any) -> Done:
        nonlocal begun
        begun += 1
        await may_end.wait()
        return Done(1, "hide", "somebody", datetime.now(UTC))

    clients = [asyncio.create_task(orders.carry_out(act)) for _ in range(32)]
    await eventually(lambda: begun == 32)
    with pytest.raises(Overloaded):
        await orders.carry_out(act)
    clients[0].cancel()  # as when a client closes its connection
    await asyncio.sleep(0)
    may_end.set()
    await orders.close()
    assert (begun, announced.times) == (32, 32)
    assert (await orders.carry_out(act)).audit_id == 1
    await asyncio.gather(*clients, return_exceptions=True)
