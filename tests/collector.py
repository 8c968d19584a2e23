"""A collector of traces in the test's own process: takes OTLP over HTTP and keeps what it was
sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Recorded:
    """A span as the collector got it, ids in hexadecimal."""

    service: str
    instance: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, Any]
    events: tuple[str, ...]
    failed: bool
    seconds: float


@dataclass
class Collector:
    """What it got, and how it behaves: it `answers` with a status, or keeps silent."""

    url: str = ""
    spans: list[Recorded] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    status: int = 200
    silent: bool = False

    def named(self, name: str) -> list[Recorded]:
        """The spans of this name, in the order of their arrival."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str, **attributes: Any) -> Recorded:
        """The only span of this name; `instance` and attributes of ours narrow it down."""
        [found] = [
            span
            for span in self.named(name)
            if all(_value(span, key) == value for key, value in attributes.items())
        ]
        return found

    async def take(self, request: web.Request) -> web.Response:
        """POST /v1/traces."""
        if self.silent:
            await asyncio.Event().wait()
        if self.status == 200:
            self.messages.append(await request.read())
            message = ExportTraceServiceRequest.FromString(self.messages[-1])
            for group in message.resource_spans:
                resource = _attributes(group.resource.attributes)
                for scope in group.scope_spans:
                    self.spans += [_recorded(resource, span) for span in scope.spans]
        return web.Response(status=self.status, content_type="application/x-protobuf")


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector."""
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()


def _value(span: Recorded, key: str) -> Any:
    return span.instance if key == "instance" else span.attributes.get(f"scoreboard.{key}")


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def _recorded(resource: dict[str, Any], span: Any) -> Recorded:
    return Recorded(
        service=resource["service.name"],
        instance=resource["service.instance.id"],
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=span.kind,
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        attributes=_attributes(span.attributes),
        events=tuple(event.name for event in span.events),
        failed=span.status.code == 2,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
    )
