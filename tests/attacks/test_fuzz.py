"""Bytes that nearly are requests. (`tests/service/test_standard_clients.py` sends what nearly fits
the OpenAPI document.)
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from structlog.testing import capture_logs

from scoreboard.parts import PARTS
from tests.attacks.wire import connected
from tests.instances import Instance
from tests.properties.strategies import examples, requests

# Long enough for most answers; what comes later is seen in the counters.
GLANCE_SECONDS = 0.02


def failures(instance: Instance) -> list[str]:
    """Every series of answers with a status from 500 on, and of background tasks that ended."""
    samples = [
        sample
        for metric in instance.app[PARTS].metrics.registry.collect()
        for sample in metric.samples
    ]
    return [
        str(sample)
        for sample in samples
        if (
            (
                sample.name == "scoreboard_http_requests_total"
                and int(sample.labels["status"]) >= 500
            )
            or (sample.name == "scoreboard_task_crashes_total" and sample.value)
        )
    ]


@examples(120)
@given(requests())
async def test_no_bytes_make_the_service_fail(
    instance: Instance, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    caplog.clear()
    with capture_logs() as logs:
        async with connected(instance) as wire:
            await wire.send(data)
            received = b""
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(GLANCE_SECONDS):
                    received = await wire.reader.read(65_536)
    if received:
        assert received.startswith(b"HTTP/")
        assert received.split()[1][:1] in b"1234"
    assert failures(instance) == []
    assert not [entry for entry in logs if entry["log_level"] in ("error", "critical")]
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]


async def test_after_all_that_it_serves_on(instance: Instance) -> None:
    """Nothing of one connection is left for the next."""
    for data in (
        b"\r\n" * 50,
        b"GET",
        b"\x16\x03\x01",
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
    ):
        async with connected(instance) as wire:
            await wire.send(data)
    assert (await instance.board())["data"] == []
    assert failures(instance) == []
