"""How metrics are declared: as fields of a class, which each instance makes in its registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

M = TypeVar("M", bound=MetricWrapperBase)


class Declared(Generic[M]):
    """A metric of a class, under the prefix `scoreboard_`. Of an instance it is the metric."""

    def __init__(
        self, kind: Callable[..., M], name: str, *given: Any, known: Iterable[str] = (), **more: Any
    ) -> None:
        self._kind = kind
        self._given = (f"scoreboard_{name}", *given)
        self._more = more
        self._known = known

    def __get__(self, part: object, owner: type) -> M:
        raise AttributeError("metrics are there once they are made")

    def made(self, registry: CollectorRegistry) -> M:
        """Make the metric in a registry."""
        metric: M = self._kind(*self._given, registry=registry, **self._more)
        for value in self._known:
            metric.labels(value)
        return metric


class Declares:
    """A class of declared metrics. `registry` is where its instance makes them."""

    _declared: ClassVar[dict[str, Declared[Any]]] = {}

    def __init_subclass__(cls) -> None:
        """Keep apart what is declared: a field that the class has too is slower to read."""
        own = {name: each for name, each in vars(cls).items() if isinstance(each, Declared)}
        for name in own:
            delattr(cls, name)
        cls._declared = cls._declared | own

    def __init__(self, registry: CollectorRegistry) -> None:
        for name, declared in self._declared.items():
            setattr(self, name, declared.made(registry))


def counter(name: str, doc: str, *labels: str, known: Iterable[str] = ()) -> Declared[Counter]:
    """A number that only rises, shown as `<name>_total`. Values of its label that are `known` stand
    at 0 from the start: no rate shows the first count of a series that begins with it.
    """
    return Declared(Counter, name, doc, labels, known=tuple(known))


def gauge(
    name: str, doc: str, *labels: str, workers: Literal["livesum", "livemin", "livemax"] = "livesum"
) -> Declared[Gauge]:
    """A number that rises and falls; of several workers on one port the sum, or the worst."""
    return Declared(Gauge, name, doc, labels, multiprocess_mode=workers)


def histogram(name: str, doc: str, buckets: tuple[float, ...], *labels: str) -> Declared[Histogram]:
    """How often a number was at most as large as each of `buckets`."""
    return Declared(Histogram, name, doc, labels, buckets=buckets)
