"""What operators and orchestrators ask: alive, ready, metrics."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.http.replies import reply
from scoreboard.api.schemas.operations import LivenessSchema, ReadinessSchema
from scoreboard.parts import PARTS


@Operation("isAlive", "Is it alive?", tag="Operations", answers={200: Answer(LivenessSchema())})
async def healthz(request: web.Request) -> web.Response:
    """Am I alive? Asks nobody else, so that an outage elsewhere restarts nothing."""
    return reply({"alive": True, "instance": request.app[PARTS].settings.instance})


@Operation(
    "isReady",
    "Is it ready?",
    tag="Operations",
    answers={
        200: Answer(ReadinessSchema()),
        503: Answer(ReadinessSchema(), description="Not ready: send requests elsewhere."),
    },
)
async def readyz(request: web.Request) -> web.Response:
    """Can I serve, and which part is away since when?"""
    report = request.app[PARTS].health.report()
    if report["ready"]:
        return reply(report)
    return reply(report, status=503, headers={"Retry-After": "1"})


@Operation(
    "readMetrics",
    "Read the metrics",
    tag="Operations",
    answers={
        200: Answer(
            description="Prometheus's text format.",
            media_type="text/plain",
            example="# TYPE scoreboard_grants_total counter\nscoreboard_grants_total 1.0\n",
        )
    },
)
async def metrics(request: web.Request) -> web.Response:
    """The counters, for Prometheus."""
    body = request.app[PARTS].metrics.text()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
