"""Traces as text, what decides whether one is recorded, and what becomes of spans that cannot be
sent.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from scoreboard.operations import otlp
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.otlp import Outbox
from scoreboard.operations.tracing import OFF, is_sampled, is_valid, trace_id
from tests.samples import counted

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "text",
    [
        "",
        TRACE.upper(),
        f"{TRACE}\n",
        f"{TRACE}-00",
        TRACE.replace("00-", "01-", 1),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
    ],
)
def test_what_is_no_traceparent_is_none(text: str) -> None:
    assert is_valid(TRACE)
    assert not is_valid(text)


def test_the_lowest_bit_of_the_flags_says_whether_it_is_sampled() -> None:
    assert [is_sampled(f"{TRACE[:-2]}{flags}") for flags in ("00", "01", "02", "03", "ff")] == [
        False,
        True,
        False,
        True,
        True,
    ]
    assert not is_sampled(None)
    assert trace_id(TRACE) == "0af7651916cd43dd8448eb211c80319c"


def test_while_nothing_is_recorded_a_span_hands_on_the_trace_that_it_was_given() -> None:
    assert not OFF.on
    with OFF.first_span("request", TRACE) as request, OFF.span("batch", request.trace) as batch:
        batch.note({"scoreboard.version": 1})
        batch.event("push")
    assert batch.trace == TRACE
    assert OFF.first_span("request", None).trace is None


class Exporter(SpanExporter):
    """Keeps what it is given, once it is let; it may raise as well."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.open = threading.Event()
        self.open.set()
        self.error: Exception | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.open.wait(10)
        if self.error:
            raise self.error
        self.sent.append(len(spans))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def dropped(metrics: Metrics) -> dict[str, float]:
    reasons = ("full", "not_sent", "closed")
    found = {r: counted(metrics, "spans_dropped_total", reason=r) for r in reasons}
    return {reason: count for reason, count in found.items() if count}


def test_more_spans_than_may_wait_are_dropped_and_counted(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "_WAITING_MAX", 10)
    exporter = Exporter()
    outbox = Outbox(exporter, metrics)
    for _ in range(15):  # the thread pauses for a second before it sends the first
        outbox.on_end(ReadableSpan("one"))
    outbox.shutdown()

    assert exporter.sent == [10]
    assert counted(metrics, "spans_exported_total") == 10
    assert dropped(metrics) == {"full": 5}


def test_whatever_the_exporter_raises_the_next_spans_are_tried(metrics: Metrics) -> None:
    exporter = Exporter()
    exporter.error = RuntimeError("a defect")
    outbox = Outbox(exporter, metrics)
    for _ in range(3):
        outbox.on_end(ReadableSpan("one"))
    outbox.shutdown()
    outbox.on_end(ReadableSpan("late"))

    assert dropped(metrics) == {"not_sent": 3, "closed": 1}


def test_no_room_for_a_thread_costs_spans_time_and_whoever_ends_them_nothing(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The span of a COMMIT ends after it: an error there would be the submission's."""
    exporter = Exporter()
    outbox = Outbox(exporter, metrics)
    one, two = ReadableSpan("one"), ReadableSpan("two")

    def no_room(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_room)
        outbox.on_end(one)
    outbox.on_end(two)
    outbox.shutdown()

    assert exporter.sent == [2]


def test_an_exporter_that_hangs_does_not_hold_up_the_end(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "_CLOSE_SECONDS", 0.1)
    monkeypatch.setattr(otlp, "_LAST_SECONDS", 0.1)
    monkeypatch.setattr(otlp, "_BATCH_MAX", 2)
    exporter = Exporter()
    exporter.open.clear()
    outbox = Outbox(exporter, metrics)
    for _ in range(5):
        outbox.on_end(ReadableSpan("one"))
    outbox.shutdown()
    before = dropped(metrics)
    exporter.open.set()
    outbox._thread.join(10)

    assert before == dropped(metrics) == {"closed": 5}
    assert counted(metrics, "spans_exported_total") == 0
