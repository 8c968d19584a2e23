"""From a submission to the event at the subscribers, while other submissions go on.

Two instances serve everything, 2,000 subscribers listen on both, other players submit all the time,
and now and then the player at the top does, whose score tells each event which submission it holds.
"""

from __future__ import annotations

import json
import random
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from tests.benchmarks.crowd import a_crowd
from tests.benchmarks.processes import Service, Stage
from tests.benchmarks.streams import Submitter
from tests.benchmarks.wrk import Load, Submitting

SUBSCRIBERS = 2_000
_CONNECTIONS = 32
_PAUSE_MS = 60  # 32 connections that pause so long make about 400 submissions a second
_BETWEEN_SECONDS = (0.1, 0.5)


@dataclass(frozen=True)
class Latency:
    """From the moment a submission was sent; `lost` are those that a subscriber never heard of."""

    submissions_per_second: float
    probes: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    lost: int


def measure(
    stage: Stage, token: str, actions: Iterator[int], submitting: Submitting, seconds: int
) -> Latency:
    """Measure once."""
    with ExitStack() as stack:
        one, two = (stack.enter_context(Service(stage)) for _ in range(2))
        submit = Submitter(one, token, actions)
        submit()
        crowd = stack.enter_context(a_crowd(SUBSCRIBERS, [one.port, two.port]))
        crowd.trace()
        loads: list[Load] = []
        others = threading.Thread(
            target=lambda: loads.append(
                submitting.run(two.url, _CONNECTIONS, seconds + 2, _PAUSE_MS)
            )
        )
        others.start()
        time.sleep(1)
        sent = _probe(submit, seconds)
        others.join()
        seen = crowd.times()
        submit.close()
    return _latency(sent, seen, loads[0])


def _probe(submit: Submitter, seconds: float) -> dict[int, float]:
    """Submit at random moments; the score that each led to, and when it was sent."""
    sent, end = {}, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        sent[int(json.loads(submit())["data"]["score"])] = began
        time.sleep(random.uniform(*_BETWEEN_SECONDS))
    return sent


def _latency(sent: dict[int, float], seen: list[list[tuple[int, float]]], load: Load) -> Latency:
    milliseconds, lost = [], 0
    for events in seen:
        scores = [score for score, _ in events]
        for score, began in sent.items():
            # The first event that holds this submission or a later one.
            place = bisect_left(scores, score)
            if place == len(scores):
                lost += 1
            else:
                milliseconds.append((events[place][1] - began) * 1000)
    milliseconds.sort()
    return Latency(
        load.per_second,
        len(sent),
        p50_ms=milliseconds[len(milliseconds) // 2],
        p99_ms=milliseconds[len(milliseconds) * 99 // 100],
        worst_ms=milliseconds[-1],
        lost=lost,
    )
