"""How far it goes: the fan-out simulated, and each hop's load computed, from measured unit costs.

    python -m tests.benchmarks.scaling

Reads docs/benchmarks/results.json and renews the tables of docs/scaling.md. The only numbers that
are not measured are in `ASSUMED`, each with its reason. The same results give the same tables.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scoreboard.bus.slots import seconds_apart
from scoreboard.live.frames import Frame, score_update
from tests.benchmarks.boards import board

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = DOCS / "scaling.md"
_BEGIN, _END = "<!-- simulated: {} -->", "<!-- end of {} -->"


@dataclass(frozen=True)
class Assumed:
    """What was not measured here."""

    # Of an instance's core, for deliveries: the rest is for joins, heartbeats and bursts.
    busy_max: float = 0.5
    # A stream's loop may hold a core; two for each machine of 2 cores, as measured.
    cores_per_machine: int = 2
    network_ms: tuple[float, float] = (0.2, 1.0)  # a hop within one data centre
    packet_overhead: float = 1.06  # TCP/IP headers on what the event takes
    submissions_per_user_per_day: float = 5.0
    peak: float = 5.0  # the busiest second, of the day's mean
    active_share: float = 0.2  # of all users, who play on a given day
    pollers: float = (
        0.05  # of those who watch, whose streams do not get through; each asks every 5 s
    )


ASSUMED: Final = Assumed()


@dataclass(frozen=True)
class Costs:
    """Measured, from results.json: medians."""

    delivery_us: float
    subscriber_kib: float
    commit_p50_ms: float
    read_us: float
    grants_per_second: float
    arrivals_per_second: float
    index_bytes_per_user: float
    rebuild_us_per_row: float
    event_bytes: int


@dataclass(frozen=True)
class Tier:
    """A size to look at."""

    name: str
    subscribers: int
    users: int
    changes_per_second: float
    push_interval_seconds: float


TIERS: Final = (
    Tier("one machine", 2_000, 100_000, 2.0, 0.1),
    Tier("a pair", 20_000, 1_000_000, 5.0, 0.1),
    Tier("a rack", 200_000, 10_000_000, 10.0, 0.25),
    Tier("the goal", 1_000_000, 100_000_000, 20.0, 0.5),
    Tier("the goal, interval 0.1 s", 1_000_000, 100_000_000, 20.0, 0.1),
)


def costs(results: dict[str, Any]) -> Costs:
    """Read the unit costs."""

    def median(figure: str, column: str, **where: object) -> float:
        rows = results[figure]["rows"]
        found = [
            row[column] for row in rows if all(row[name] == value for name, value in where.items())
        ]
        return float(statistics.median(found))

    read = {"program": "Scoreboard", "conditional": False}
    largest = max(row["subscribers"] for row in results["streams"]["rows"])
    streams = {"program": "Scoreboard, 2 instances", "subscribers": largest}
    grown = max(results["growth"]["rows"], key=lambda row: row["users"])
    arrival = results["arrival"]["rows"][0]["subscribers"]
    return Costs(
        delivery_us=median("streams", "cpu_us", **streams),
        subscriber_kib=median("streams", "rss_kib", **streams),
        commit_p50_ms=median("grants", "p50_ms", program="Scoreboard", connections=64),
        read_us=median("reads", "cpu_us", **read)
        if "cpu_us" in results["reads"]["rows"][0]
        else 1e6 / median("reads", "per_second", **read),  # results from before it was measured
        grants_per_second=median("grants", "per_second", program="Scoreboard", connections=256),
        arrivals_per_second=arrival / median("arrival", "seconds"),
        index_bytes_per_user=grown["rank_index_mib"] * 2**20 / grown["users"],
        rebuild_us_per_row=grown["rebuild_seconds"] / grown["users"] * 1e6,
        event_bytes=len(Frame.of(score_update(board())).chunked),
    )


# --- the fan-out


@dataclass(frozen=True)
class FanOut:
    """What a tier's streams need, and how long an event takes to its subscribers."""

    tier: Tier
    instances: int
    pushes_per_second: float
    busy: float  # share of an instance's core that deliveries take
    gigabits_per_second: float
    p50_ms: float
    p99_ms: float
    worst_ms: float


def fan_out(tier: Tier, cost: Costs, seconds: float = 120.0, per_instance: int = 15_000) -> FanOut:
    """Simulate the tree: commit, broker, and on each instance the hub that walks."""
    rng = random.Random(tier.name)
    instances = _instances(tier, cost, per_instance)
    mine = math.ceil(tier.subscribers / instances)
    changes = list(_poisson(rng, tier.changes_per_second, seconds))
    delays: list[float] = []
    pushes = 0
    # Instances differ only in the network's delay: a few tell what all do.
    for _ in range(min(instances, 8)):
        arrived = sorted(
            (at + (cost.commit_p50_ms + 2 * rng.uniform(*ASSUMED.network_ms)) / 1e3, at)
            for at in changes
        )
        for began, took, origins in _pushes(arrived, mine * cost.delivery_us / 1e6, tier):
            pushes += 1
            for origin in origins:
                # Subscribers stand anywhere in the walk; ten of them tell how it is spread.
                delays += [began + took * (place + 0.5) / 10 - origin for place in range(10)]
    rate = pushes / min(instances, 8) / seconds
    delays.sort()
    return FanOut(
        tier,
        instances,
        pushes_per_second=rate,
        busy=rate * mine * cost.delivery_us / 1e6,
        gigabits_per_second=(
            rate * tier.subscribers * cost.event_bytes * ASSUMED.packet_overhead * 8 / 1e9
        ),
        p50_ms=delays[len(delays) // 2] * 1e3,
        p99_ms=delays[len(delays) * 99 // 100] * 1e3,
        worst_ms=delays[-1] * 1e3,
    )


def _instances(tier: Tier, cost: Costs, per_instance: int) -> int:
    """As many as keep deliveries below their share of a core, and streams below their bound."""
    pushes = min(tier.changes_per_second, 1 / tier.push_interval_seconds)
    by_core = ASSUMED.busy_max * 1e6 / (pushes * cost.delivery_us)
    return math.ceil(tier.subscribers / min(by_core, per_instance))


def _pushes(
    arrived: Sequence[tuple[float, float]], walk_seconds: float, tier: Tier
) -> Iterator[tuple[float, float, list[float]]]:
    """The hub's loop: the first change goes out at once, later ones wait for the walk and the
    interval, and all that wait go together, as the newest. Yields when a walk began, how long it
    took, and when the changes that it carries were sent.
    """
    free, waiting, number = 0.0, list(arrived), 0
    while number < len(waiting):
        began = max(free, waiting[number][0])
        origins = []
        while number < len(waiting) and waiting[number][0] <= began:
            origins.append(waiting[number][1])
            number += 1
        yield began, walk_seconds, origins
        free = began + walk_seconds + tier.push_interval_seconds


def _poisson(rng: random.Random, per_second: float, seconds: float) -> Iterator[float]:
    at = rng.expovariate(per_second)
    while at < seconds:
        yield at
        at += rng.expovariate(per_second)


# --- what each hop carries


def hops(found: FanOut, cost: Costs) -> dict[str, str]:
    """The load of each hop at this tier."""
    tier = found.tier
    peak = (
        tier.users * ASSUMED.active_share * ASSUMED.submissions_per_user_per_day / 86_400
    ) * ASSUMED.peak
    polled = tier.subscribers * ASSUMED.pollers / 5
    return {
        "submissions/s, busiest": f"{peak:,.0f}",
        "of one measured machine": f"{peak / cost.grants_per_second:,.1f}",
        "ledger rows a day": _short(
            tier.users * ASSUMED.active_share * ASSUMED.submissions_per_user_per_day
        ),
        "rank index": f"{tier.users * cost.index_bytes_per_user / 2**30:,.2f} GiB",
        "`board rebuild`": f"{tier.users * cost.rebuild_us_per_row / 1e6:,.0f} s",
        "polls/s": f"{polled:,.0f}",
        "cores for them without a CDN": f"{polled * cost.read_us / 1e6:,.1f}",
        "messages/s out of the broker": f"{_messages_per_second(tier) * found.instances:,.0f}",
        "version checks/s in PostgreSQL": f"{found.instances:,}",
        "memory of all streams": f"{tier.subscribers * cost.subscriber_kib / 2**20:,.1f} GiB",
        "all reconnect at once": f"{_reconnect_seconds(found, cost):,.1f} s",
    }


def _messages_per_second(tier: Tier) -> float:
    """How many messages an instance gets: a change waits for what is left since the one before."""
    apart = seconds_apart(tier.push_interval_seconds)
    return tier.changes_per_second / (1 + tier.changes_per_second * apart)


def _reconnect_seconds(found: FanOut, cost: Costs) -> float:
    return found.tier.subscribers / found.instances / cost.arrivals_per_second


def _short(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:,.1f} {letter}"
    return f"{number:,.0f}"


# --- the page


def tables(results: dict[str, Any]) -> dict[str, str]:
    """Every table of docs/scaling.md by its name."""
    cost = costs(results)
    found = [fan_out(tier, cost) for tier in TIERS]
    return {
        "unit costs": _table(["unit", "measured"], _unit_costs(cost)),
        "fan-out": _table(
            [
                "tier",
                "subscribers",
                "changes/s",
                "interval s",
                "stream processes",
                "machines of 2 cores",
                "pushes/s",
                "core busy",
                "Gbit/s out",
                "p50 ms",
                "p99 ms",
                "worst ms",
            ],
            [_fan_out_row(each) for each in found],
        ),
        "hops": _table(
            ["hop", *(each.tier.name for each in found[:4])],
            [
                [name, *(hops(each, cost)[name] for each in found[:4])]
                for name in hops(found[0], cost)
            ],
        ),
        "workers": _table(
            ["asked for", "workers", "a second", "processor time of one", "a core gives"],
            _workers(results),
        ),
    }


def _workers(results: dict[str, Any]) -> list[list[str]]:
    """What workers on so many cores did; nothing where that was not measured."""
    rows = results.get("workers", {"rows": []})["rows"]
    groups = sorted({(row["asked"], row["program"]) for row in rows})
    shown = {
        group: [row for row in rows if (row["asked"], row["program"]) == group] for group in groups
    }

    def median(group: tuple[str, str], column: str) -> float:
        return statistics.median(row[column] for row in shown[group])

    return [
        [
            *group,
            f"{median(group, 'per_second'):,.0f}",
            f"{median(group, 'cpu_us'):,.0f} µs",
            _of(median(group, "core_gives")),
        ]
        for group in groups
    ]


def _unit_costs(cost: Costs) -> list[list[str]]:
    return [
        ["processor time of one delivery", f"{cost.delivery_us:.1f} µs"],
        ["memory of one subscriber", f"{cost.subscriber_kib:.1f} KiB"],
        ["one event on the wire", f"{cost.event_bytes:,} bytes"],
        ["a commit with its batch, 64 clients", f"{cost.commit_p50_ms:.0f} ms"],
        ["granted submissions of one machine with everything on it", _of(cost.grants_per_second)],
        ["processor time of a read of the board", f"{cost.read_us:.0f} µs"],
        ["joins of one process", _of(cost.arrivals_per_second)],
        ["rank index", f"{cost.index_bytes_per_user:.0f} bytes a user"],
        ["`board rebuild`", f"{cost.rebuild_us_per_row:.1f} µs a ledger row"],
    ]


def _of(per_second: float) -> str:
    return f"{per_second:,.0f}/s"


def _fan_out_row(found: FanOut) -> list[str]:
    tier = found.tier
    return [
        tier.name,
        f"{tier.subscribers:,}",
        f"{tier.changes_per_second:g}",
        f"{tier.push_interval_seconds:g}",
        f"{found.instances:,}",
        f"{math.ceil(found.instances / ASSUMED.cores_per_machine):,}",
        f"{found.pushes_per_second:.1f}",
        f"{found.busy:.0%}",
        f"{found.gigabits_per_second:,.2f}",
        f"{found.p50_ms:,.0f}",
        f"{found.p99_ms:,.0f}",
        f"{found.worst_ms:,.0f}",
    ]


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(headings), *map(list, rows)]
    shown = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([shown[0], f"|{'---|' * len(lines[0])}", *shown[1:]])


def renewed(page: str, made: dict[str, str]) -> str:
    """The page with its tables made anew. Raises ValueError when it has no place for one."""
    for name, table in made.items():
        begin, end = _BEGIN.format(name), _END.format(name)
        head, found, rest = page.partition(begin)
        _, closed, tail = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"{PAGE} has no place for {name}")
        page = f"{head}{begin}\n{table}\n{end}{tail}"
    return page


def main() -> int:
    """Renew the tables and show them."""
    results = json.loads((DOCS / "benchmarks" / "results.json").read_text())
    made = tables(results)
    PAGE.write_text(renewed(PAGE.read_text(), made))
    print("\n\n".join(made.values()))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
