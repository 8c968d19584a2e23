"""How a metric is declared: under the prefix `scoreboard_`, in one registry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Declaring:
    """Declares metrics in a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, doc: str, *labels: str, known: Iterable[str] = ()) -> Counter:
        """A number that only rises, shown as `<name>_total`. Values of its label that are `known`
        stand at 0 from the start: no rate shows the first count of a series that begins with it.
        """
        counter = Counter(f"scoreboard_{name}", doc, labels, registry=self._registry)
        for value in known:
            counter.labels(value)
        return counter

    def gauge(
        self,
        name: str,
        doc: str,
        *labels: str,
        workers: Literal["livesum", "livemin", "livemax"] = "livesum",
    ) -> Gauge:
        """A number that rises and falls. Of several workers on one port it shows the sum, or the
        worst.
        """
        return Gauge(
            f"scoreboard_{name}", doc, labels, registry=self._registry, multiprocess_mode=workers
        )

    def histogram(self, name: str, doc: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """How often a number was at most as large as each of `buckets`."""
        return Histogram(
            f"scoreboard_{name}", doc, labels, registry=self._registry, buckets=buckets
        )
