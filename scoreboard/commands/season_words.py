"""When seasons begin and end, and how far they are, for people."""

from __future__ import annotations

from datetime import datetime

from scoreboard.model import Season
from scoreboard.seasons import zones


def moment(at: datetime, zone: str = "UTC") -> str:
    """Write a time as a clock of the zone shows it, with its difference from UTC. A zone that this
    machine does not know is written in UTC.
    """
    name = "UTC" if zones.problem(zone) else zone
    return at.astimezone(zones.rules(name)).isoformat(timespec="seconds")


def span(season: Season, zone: str = "UTC") -> str:
    """Write when a season begins and ends."""
    starts_at = moment(season.starts_at, zone)
    if season.ends_at is None:
        return f"from {starts_at}, without an end"
    return f"from {starts_at} to {moment(season.ends_at, zone)}"
