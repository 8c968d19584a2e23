"""The plots, as plain SVG: bars side by side, grouped along one axis. No library, no clock, so the
same results give the same bytes.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

Rows = list[dict[str, Any]]

_WIDTH, _HEIGHT = 720, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 10, 60, 40
_OURS = "Scoreboard"
_COLOURS = ("#1b6ca8", "#7fb2d9", "#c8553d", "#e0a458", "#7a7a7a")


@dataclass(frozen=True)
class Plot:
    """Which column is drawn, and along what."""

    name: str
    figure: str
    along: str
    value: str
    title: str


_PLOTS = (
    Plot("grants.svg", "grants", "connections", "per_second", "Granted submissions a second"),
    Plot("reads.svg", "reads", "conditional", "per_second", "Board reads a second"),
    Plot("deliveries.svg", "streams", "subscribers", "cpu_us", "CPU µs per delivery"),
    Plot("memory.svg", "streams", "subscribers", "rss_kib", "RSS KiB per idle subscriber"),
    Plot("growth.svg", "growth", "users", "grant_us", "µs per grant, by the number of users"),
)


def names_of(figure: str) -> list[str]:
    """The files that show this figure."""
    return [plot.name for plot in _PLOTS if plot.figure == figure]


def draw(results: dict[str, Rows]) -> dict[str, str]:
    """Draw what there are results for; file names and contents."""
    return {
        plot.name: _draw(plot, results[plot.figure]) for plot in _PLOTS if plot.figure in results
    }


def _draw(plot: Plot, rows: Rows) -> str:
    rows = [{"program": _OURS, **row} for row in rows]  # where there is nothing beside it
    programs = list(dict.fromkeys(row["program"] for row in rows))
    places = sorted({row[plot.along] for row in rows})
    medians = {
        (program, place): statistics.median(
            row[plot.value]
            for row in rows
            if row["program"] == program and row[plot.along] == place
        )
        for program in programs
        for place in places
    }
    highest = max(medians.values())
    parts = [
        *_frame(plot.title, highest),
        *_legend(programs),
        *_bars(programs, places, medians, highest),
    ]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="{escape(plot.title)}">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _frame(title: str, highest: float) -> Iterable[str]:
    yield f'<text x="{_LEFT}" y="20" font-size="15" fill="#222">{escape(title)}</text>'
    for quarter in range(5):
        y = _y(highest * quarter / 4, highest)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        yield (
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#444">'
            f"{_short(highest * quarter / 4)}</text>"
        )


def _legend(programs: list[str]) -> Iterable[str]:
    step = (_WIDTH - _LEFT) / len(programs)
    for number, program in enumerate(programs):
        x = _LEFT + number * step
        yield f'<rect x="{x:.1f}" y="32" width="10" height="10" fill="{_COLOURS[number]}"/>'
        yield f'<text x="{x + 14:.1f}" y="41" fill="#444">{escape(program)}</text>'


def _bars(
    programs: list[str], places: list[Any], medians: dict[tuple[str, Any], float], highest: float
) -> Iterable[str]:
    room = (_WIDTH - _LEFT - _RIGHT) / len(places)
    width = room * 0.8 / len(programs)
    for group, place in enumerate(places):
        left = _LEFT + group * room + room * 0.1
        for number, program in enumerate(programs):
            value = medians[program, place]
            y, x = _y(value, highest), left + number * width
            yield (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width * 0.92:.1f}" '
                f'height="{_HEIGHT - _BOTTOM - y:.1f}" fill="{_COLOURS[number]}"/>'
            )
            yield (
                f'<text x="{x + width * 0.46:.1f}" y="{y - 3:.1f}" text-anchor="middle" '
                f'font-size="10" fill="#444">{_short(value)}</text>'
            )
        label = f"{place:,}" if not isinstance(place, bool) else ("304" if place else "200")
        yield (
            f'<text x="{left + room * 0.4:.1f}" y="{_HEIGHT - _BOTTOM + 18}" '
            f'text-anchor="middle" fill="#222">{label}</text>'
        )


def _y(value: float, highest: float) -> float:
    return _HEIGHT - _BOTTOM - value / highest * (_HEIGHT - _TOP - _BOTTOM)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
