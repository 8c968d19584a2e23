"""Records spans with OpenTelemetry and sends them to a collector, over OTLP/HTTP.

A thread sends; nobody waits for it. Spans that wait are bounded, and every span that does not reach
the collector is counted: more came than can be sent, or the collector is away or refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Final

import structlog
from opentelemetry import trace as api
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from scoreboard import __version__
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Attributes, Kind, Span

log = structlog.get_logger("scoreboard.tracing")

_WAITING_MAX: Final = 8192  # some 8 MiB
_BATCH_MAX: Final = 512
_PAUSE_SECONDS: Final = 1.0
_SEND_SECONDS: Final = 3.0
_CLOSE_SECONDS: Final = 2.0
_LAST_SECONDS: Final = 0.5
_LINKS_MAX: Final = 1000  # a batch has one for each submission


class OtlpSpan(Span):
    """A span that OpenTelemetry records."""

    __slots__ = ("_span",)

    def __init__(self, span: api.Span) -> None:
        self._span = span
        context = span.get_span_context()
        super().__init__(f"00-{context.trace_id:032x}-{context.span_id:016x}-01")

    def note(self, attributes: Attributes) -> None:
        """Say more about it."""
        self._span.set_attributes(attributes)

    def event(self, name: str) -> None:
        """Mark this moment."""
        self._span.add_event(name)

    def fail(self, reason: str) -> None:
        """Mark it as failed."""
        self._span.set_status(api.StatusCode.ERROR, reason)

    def end(self) -> None:
        """It is over, and on its way."""
        self._span.end()


class OtlpRecorder:
    """Makes spans, and sends them when they have ended. Whether a trace is recorded was decided
    before.
    """

    def __init__(self, endpoint: str, instance: str, role: str, metrics: Metrics) -> None:
        resource = Resource.create(
            {
                # By role, because a trace store shows of a span its service's name and colour.
                "service.name": "scoreboard" if role == "all" else f"scoreboard-{role}",
                "service.version": __version__,
                "service.instance.id": instance,
                "scoreboard.role": role,
            }
        )
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=resource,
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_links=_LINKS_MAX),
        )
        exporter = OTLPSpanExporter(endpoint.rstrip("/") + "/v1/traces", timeout=_SEND_SECONDS)
        # Its words about each attempt; we say once that the collector is away, and count the rest.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._outbox = Outbox(exporter, metrics)
        provider.add_span_processor(self._outbox)
        self._tracer = provider.get_tracer("scoreboard", __version__)

    def span(
        self,
        name: str,
        parent: str | None,
        kind: Kind,
        links: Iterable[str],
        attributes: Attributes,
        began: float | None,
    ) -> OtlpSpan:
        """Begin a span; without a parent it is the first of its trace."""
        ago = 0.0 if began is None else time.monotonic() - began
        above = api.NonRecordingSpan(_context(parent)) if parent else api.INVALID_SPAN
        span = self._tracer.start_span(
            name,
            api.set_span_in_context(above),
            api.SpanKind[kind.upper()],
            attributes,
            [api.Link(_context(link)) for link in links],
            time.time_ns() - int(ago * 1e9),
        )
        return OtlpSpan(span)

    async def close(self) -> None:
        """Send what waits, for a moment; what is left then is counted as dropped."""
        await asyncio.to_thread(self._outbox.shutdown)


class Outbox(SpanProcessor):
    """Holds spans that have ended until a thread has sent them. `on_end` and `shutdown` are
    OpenTelemetry's names.
    """

    def __init__(self, exporter: SpanExporter, metrics: Metrics) -> None:
        self._exporter = exporter
        self._metrics = metrics
        self._waiting: deque[ReadableSpan] = deque()
        self._wake = threading.Event()
        self._closed = self._abandoned = False
        self._under_way = 0
        self._away = False
        for reason in ("full", "not_sent", "closed"):
            self._drop(0, reason)
        self._thread = self._sender()

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span, unless too many wait. Never raises: a span may end right after a COMMIT."""
        if self._closed or len(self._waiting) >= _WAITING_MAX:  # guard: spans-wait-bound
            self._drop(1, "closed" if self._closed else "full")
            return
        self._waiting.append(span)
        if not self._thread.is_alive():
            self._thread = self._sender()  # whatever ended one cannot start again
            with contextlib.suppress(RuntimeError):  # no room for one just now  # guard: no-room
                self._thread.start()
        if len(self._waiting) >= _BATCH_MAX:
            self._wake.set()

    def shutdown(self) -> None:
        """Take nothing more, and send what waits, for a moment."""
        self._closed = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)
        self._exporter.shutdown()  # it pauses no more before it tries again
        if self._thread.is_alive():
            self._thread.join(_LAST_SECONDS)
        self._abandoned = True
        left, self._under_way = self._under_way, 0  # guard: spans-under-way
        while spans := self._take():
            left += len(spans)
        self._drop(left, "closed")

    def _sender(self) -> threading.Thread:
        """A daemon: a collector that hangs does not keep the process from ending."""
        return threading.Thread(target=self._send_all, name="spans", daemon=True)

    def _send_all(self) -> None:
        while not self._closed:
            self._wake.wait(_PAUSE_SECONDS)
            self._wake.clear()
            while spans := self._take():
                self._send(spans)

    def _take(self) -> list[ReadableSpan]:
        spans: list[ReadableSpan] = []
        with contextlib.suppress(IndexError):
            while len(spans) < _BATCH_MAX:
                spans.append(self._waiting.popleft())
        return spans

    def _send(self, spans: list[ReadableSpan]) -> None:
        self._under_way = len(spans)
        try:
            sent = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception:  # of any kind: the next spans may do better
            sent = False
        if self._abandoned:
            return  # they were counted as dropped
        self._under_way = 0
        if sent:
            self._metrics.spans_exported.inc(len(spans))
        else:
            self._drop(len(spans), "not_sent")
        if sent == self._away:
            self._away = not sent
            if self._away:
                log.warning("scoreboard.tracing.away", spans=len(spans))
            else:
                log.info("scoreboard.tracing.back")

    def _drop(self, spans: int, reason: str) -> None:
        self._metrics.spans_dropped.labels(reason).inc(spans)


def _context(trace: str) -> api.SpanContext:
    _, trace_id, span_id, _ = trace.split("-")
    return api.SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=api.TraceFlags(1)
    )
