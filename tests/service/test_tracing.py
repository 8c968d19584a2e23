"""One trace from the request to the push on every instance, as a collector gets it; and what
becomes of requests when there is no collector.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from scoreboard.model import MAIN
from scoreboard.operations.otlp import OtlpRecorder, OtlpSpan
from scoreboard.operations.tracing import Span
from scoreboard.parts import PARTS
from tests.collector import Collector, collecting
from tests.eventually import eventually
from tests.instances import Instance, Start, hears_by_the_bus_alone
from tests.proxy import TcpProxy
from tests.world import add_actions, add_users

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{CALLER}-01"
NOT_SAMPLED = f"00-{TRACE}-{CALLER}-00"
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
NOBODY_LISTENS = "http://127.0.0.1:1"


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as running:
        yield running


async def submit(instance: Instance, user: str, action: str, trace: str | None = SAMPLED) -> int:
    headers = instance.bearer(user) | ({} if trace is None else {"traceparent": trace})
    body = {"actionId": action}
    async with instance.client.post("/api/actions", json=body, headers=headers) as response:
        return response.status


async def test_one_trace_leads_from_the_request_to_the_push_on_every_instance(
    start: Start, database_url: str, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = {"otlp_endpoint": collector.url, "trace_sample_ratio": 0}
    one = await start(instance="one", **recorded)
    two = await start(instance="two", role="stream", **recorded)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    stream = await two.open_stream()
    await hears_by_the_bus_alone(two, monkeypatch)

    assert await submit(one, user, "run") == 200
    await stream.until(2)
    await eventually(lambda: len(collector.spans) >= 9, message=str(collector.spans))

    assert {span.trace_id for span in collector.spans} == {TRACE}
    request = collector.one("scoreboard.http POST /api/actions")
    limits = collector.one("scoreboard.limits")
    batch, commit = collector.one("scoreboard.batch"), collector.one("scoreboard.commit")
    store, publish = collector.one("scoreboard.store"), collector.one("scoreboard.publish")
    here = collector.one("scoreboard.push", instance="one")
    there = collector.one("scoreboard.push", instance="two")
    mine = collector.one("scoreboard.submission")
    assert (request.parent_id, request.kind) == (CALLER, SERVER)
    assert request.attributes["http.response.status_code"] == 200
    assert limits.parent_id == batch.parent_id == mine.parent_id == request.span_id
    assert mine.links == ((TRACE, batch.span_id),)
    assert mine.attributes["scoreboard.outcome"] == "granted"
    assert mine.attributes["scoreboard.action_id"] == "run"
    assert [span.parent_id for span in (commit, store, publish, here)] == [batch.span_id] * 4
    assert (there.parent_id, there.kind) == (publish.span_id, CONSUMER)
    assert [span.kind for span in (limits, commit, store)] == [CLIENT] * 3
    assert publish.kind == PRODUCER
    assert here.attributes["scoreboard.version"] == there.attributes["scoreboard.version"] == 2
    assert there.attributes["scoreboard.subscribers"] == 1
    assert there.events == ("push",)
    assert (here.service, there.service) == ("scoreboard", "scoreboard-stream")
    assert len(collector.spans) == 9  # its own board, back from the broker, is pushed by nobody


async def test_a_batch_is_below_its_first_submission_and_linked_to_the_others(
    start: Start, database_url: str, collector: Collector
) -> None:
    instance = await start(otlp_endpoint=collector.url, trace_sample_ratio=0)
    users = add_users(database_url, 4)
    add_actions(database_url, {"run": 50})
    traces = [f"00-{n:032x}-{CALLER}-01" for n in range(1, 5)]
    traces[2] = NOT_SAMPLED

    # They meet in one batch: more than this many batches cannot be under way.
    async with asyncio.TaskGroup() as requests:
        for user, trace in zip(users, traces, strict=True):
            requests.create_task(submit(instance, user, "run", trace))
    request = "scoreboard.http POST /api/actions"
    await eventually(lambda: len(collector.named("scoreboard.submission")) == 3)
    await eventually(lambda: linked(collector) == 3, message=str(collector.spans))
    await eventually(lambda: len(collector.named(request)) == 3)

    of_requests = {(span.trace_id, span.span_id) for span in collector.named(request)}
    for batch in collector.named("scoreboard.batch"):
        assert {(batch.trace_id, batch.parent_id), *batch.links} <= of_requests
    batches = {(span.trace_id, span.span_id) for span in collector.named("scoreboard.batch")}
    assert {link for s in collector.named("scoreboard.submission") for link in s.links} == batches


async def test_a_submission_that_cannot_be_traced_is_granted_as_ever(
    start: Start, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = await start(otlp_endpoint=NOBODY_LISTENS, trace_sample_ratio=0)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    record = OtlpRecorder.span

    def fail(recorder: OtlpRecorder, name: str, *about: Any) -> Span:
        if name == "scoreboard.submission":
            raise RuntimeError("a defect")
        return record(recorder, name, *about)

    monkeypatch.setattr(OtlpRecorder, "span", fail)
    assert await submit(instance, user, "run") == 200
    assert (await instance.board())["version"] == 2
    assert instance.metric("announcements_failed_total") == 1


@pytest.mark.parametrize("where", ["scoreboard.commit", "scoreboard.batch", "the measuring"])
async def test_a_defect_right_behind_the_commit_takes_nobody_the_answer_or_the_board(
    start: Start, database_url: str, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    instance = await start(otlp_endpoint=NOBODY_LISTENS, trace_sample_ratio=1)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    record, end = OtlpRecorder.span, OtlpSpan.end
    marked: list[Span] = []

    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    def span(recorder: OtlpRecorder, name: str, *about: Any) -> OtlpSpan:
        recorded = record(recorder, name, *about)
        if name == where:
            marked.append(recorded)
        return recorded

    monkeypatch.setattr(OtlpRecorder, "span", span)
    monkeypatch.setattr(OtlpSpan, "end", lambda each: (fail if each in marked else end)(each))
    if where == "the measuring":
        monkeypatch.setattr(instance.app[PARTS].metrics.batch_seconds, "observe", fail)
    assert await submit(instance, user, "run") == 200
    assert (await instance.board())["version"] == 2
    assert instance.app[PARTS].hub.version(MAIN) == 2
    assert instance.metric("announcements_failed_total") == 1


def linked(collector: Collector) -> int:
    """How many submissions the batches name, as their parent or by a link."""
    return sum(1 + len(batch.links) for batch in collector.named("scoreboard.batch"))


@pytest.mark.parametrize(
    ("ratio", "trace", "recorded"),
    [(1, None, True), (0, None, False), (0, SAMPLED, True), (1, NOT_SAMPLED, False)],
)
async def test_the_callers_flag_decides_and_chance_where_there_is_none(
    start: Start,
    database_url: str,
    collector: Collector,
    ratio: float,
    trace: str | None,
    recorded: bool,
) -> None:
    instance = await start(otlp_endpoint=collector.url, trace_sample_ratio=ratio)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})

    assert await submit(instance, user, "run", trace) == 200
    await instance.stop()

    roots = [span for span in collector.spans if span.kind == SERVER]
    assert len(roots) == recorded
    assert not roots or roots[0].parent_id == (CALLER if trace else "")


async def test_a_refusal_says_its_reason_and_probes_leave_no_trace(
    start: Start, database_url: str, collector: Collector
) -> None:
    instance = await start(otlp_endpoint=collector.url, trace_sample_ratio=1)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    for path in ("/healthz", "/readyz", "/metrics", "/nowhere"):
        async with instance.client.get(path) as response:
            await response.read()
    await instance.open_stream()
    actions = ("run", "run", "what anybody wrote")
    assert [await submit(instance, user, a, None) for a in actions] == [200, 400, 400]
    await instance.stop()

    names = [span.name for span in collector.spans if span.kind == SERVER]
    assert names == ["scoreboard.http GET unmatched", *["scoreboard.http POST /api/actions"] * 3]
    outcomes = [
        (s.attributes["scoreboard.outcome"], s.attributes.get("scoreboard.action_id"))
        for s in collector.named("scoreboard.submission")
    ]
    assert outcomes == [("granted", "run"), ("already_granted", "run"), ("unknown_action", None)]


async def test_a_request_is_found_by_its_id_and_says_which_limit_refused_it(
    start: Start, collector: Collector
) -> None:
    instance = await start(
        otlp_endpoint=collector.url, trace_sample_ratio=1, rate_limit_per_ip="1/hour"
    )
    for request_id in ("first", "second"):
        headers = {"X-Request-ID": request_id}
        async with instance.client.post("/api/actions", headers=headers) as response:
            await response.read()
    await instance.stop()

    requests = {
        span.attributes["scoreboard.request_id"]: span.attributes["http.response.status_code"]
        for span in collector.named("scoreboard.http POST /api/actions")
    }
    assert requests == {"first": 403, "second": 429}
    limits = [
        span.attributes.get("scoreboard.limit") for span in collector.named("scoreboard.limits")
    ]
    assert limits == [None, "ip"]


async def test_a_store_that_redis_did_not_take_is_marked_as_failed(
    start: Start, database_url: str, collector: Collector
) -> None:
    instance = await start(
        otlp_endpoint=collector.url, trace_sample_ratio=1, redis_url="redis://127.0.0.1:1/0"
    )
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})

    assert await submit(instance, user, "run") == 200
    await instance.stop()

    assert collector.one("scoreboard.store").failed
    assert [span.name for span in collector.spans if span.failed] == ["scoreboard.store"]


async def test_a_commit_that_postgresql_did_not_answer_is_marked_as_failed(
    start: Start, database_url: str, collector: Collector
) -> None:
    """Whether it was lost under way, or there was no session to begin it with."""
    database = urlsplit(database_url)
    user = database.netloc.rpartition("@")[0]
    async with TcpProxy(database.hostname or "", database.port or 0) as line:
        through = database._replace(netloc=f"{user}@127.0.0.1:{line.port}")
        instance = await start(
            otlp_endpoint=collector.url, trace_sample_ratio=1, database_url=urlunsplit(through)
        )
        [player] = add_users(database_url, 1)
        add_actions(database_url, {"run": 50})
        await line.cut()
        assert [await submit(instance, player, "run", None) for _ in range(2)] == [503, 503]
        await instance.stop()

    assert [commit.failed for commit in collector.named("scoreboard.commit")] == [True, True]
    outcomes = [
        s.attributes["scoreboard.outcome"] for s in collector.named("scoreboard.submission")
    ]
    assert outcomes == ["ledger_unavailable"] * 2


async def test_what_is_recorded_is_sent_before_the_end(
    start: Start, database_url: str, collector: Collector
) -> None:
    instance = await start(otlp_endpoint=collector.url, trace_sample_ratio=1)
    async with instance.client.get("/api/leaderboard") as response:
        assert response.status == 200
    assert collector.spans == []
    await instance.stop()

    assert [span.name for span in collector.spans] == ["scoreboard.http GET /api/leaderboard"]
    assert instance.metric("spans_exported_total") == 1


async def test_a_collector_that_is_away_costs_nobody_anything_and_what_it_misses_is_counted(
    start: Start, database_url: str
) -> None:
    instance = await start(otlp_endpoint=NOBODY_LISTENS, trace_sample_ratio=1)
    with capture_logs() as logs:
        for _ in range(3):
            async with instance.client.get("/api/leaderboard") as response:
                assert response.status == 200
        started = time.monotonic()
        await instance.stop()

    assert time.monotonic() - started < 20
    dropped = [
        instance.metric("spans_dropped_total", reason=reason)
        for reason in ("not_sent", "closed", "full")
    ]
    assert sum(dropped) == 3
    assert instance.metric("spans_exported_total") == 0
    assert [entry["event"] for entry in logs].count("scoreboard.tracing.away") <= 1


async def test_a_collector_that_hangs_holds_nobody_up_and_one_that_returns_is_used_again(
    start: Start, collector: Collector
) -> None:
    instance = await start(otlp_endpoint=collector.url, trace_sample_ratio=1)

    async def read() -> None:
        async with asyncio.timeout(8), instance.client.get("/api/leaderboard") as response:
            assert response.status == 200

    collector.silent = True
    with capture_logs() as logs:
        await read()
        await eventually(
            lambda: instance.metric("spans_dropped_total", reason="not_sent"), within_seconds=15
        )
        collector.silent = False
        await read()
        # The sender knows a moment after the collector that its spans were taken.
        await eventually(lambda: "scoreboard.tracing.back" in told(logs), within_seconds=15)

    assert collector.spans
    assert told(logs) == ["scoreboard.tracing.away", "scoreboard.tracing.back"]


def told(logs: list[EventDict]) -> list[str]:
    """What was said of the collector."""
    return [entry["event"] for entry in logs if "tracing" in entry["event"]]


def test_without_a_collector_what_records_and_sends_is_not_even_imported() -> None:
    """Redis-py imports OpenTelemetry's metrics where it finds them, which is no doing of ours."""
    program = (
        "import sys\n"
        "from scoreboard.app import create_app\n"
        "from scoreboard.configuration.sources import load\n"
        "create_app(load({}, database_url='postgresql://localhost', redis_url='redis://localhost'))\n"
        "sent = ('opentelemetry.sdk.trace', 'opentelemetry.exporter', 'requests')\n"
        "print([name for name in sys.modules if name.startswith(sent)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout == "[]\n"


async def test_a_trace_goes_through_an_instance_that_records_none(
    start: Start, database_url: str, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its batch and its publish are missing then, and the caller's span is the parent."""
    one = await start(instance="one")
    two = await start(instance="two", otlp_endpoint=collector.url)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    await hears_by_the_bus_alone(two, monkeypatch)

    assert await submit(one, user, "run") == 200
    await eventually(lambda: collector.spans)

    [push] = collector.spans
    assert (push.name, push.trace_id, push.parent_id) == ("scoreboard.push", TRACE, CALLER)
