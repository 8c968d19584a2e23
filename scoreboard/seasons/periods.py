"""When the seasons of a board begin and end, by the calendar of its zone.

A season begins at the first moment at which a clock of the zone shows midnight of the season's
first date, or anything later, and ends where the next one begins. So seasons leave no gap, do not
overlap and are never empty, whatever clocks do: docs/decisions/0036 goes through the cases.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from scoreboard.seasons import zones

# `none`: one season without an end. `dates`: the operator says when each begins and ends.
Period = Literal["none", "day", "week", "month", "dates"]

# Between these, every season can be written by Python, PostgreSQL and JavaScript.
FIRST_MOMENT: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT_END: Final = datetime(9999, 1, 1, tzinfo=UTC)
# Since 1970 every day of every zone was longer. A boundary that was written ahead may lie hours
# beside the one by newer rules of the zone, and no season shall be made of these hours.
SHORTEST: Final = timedelta(hours=12)


class BeyondCalendar(ValueError):
    """A moment is outside the years for which seasons are computed; the message says which."""


def containing(period: Period, zone: str, moment: datetime) -> tuple[datetime, datetime]:
    """Find the season that contains a moment: `[starts_at, ends_at)`, both in UTC.

    `moment` is aware. Raises UnknownZone (of `zones`), BeyondCalendar, and ValueError for the
    periods `none` and `dates`, which have no calendar.
    """
    if not FIRST_MOMENT <= moment < MOMENT_END:
        years = f"{FIRST_MOMENT.year} to {MOMENT_END.year - 1}"
        raise BeyondCalendar(f"{moment.isoformat()} is in no season: these have years {years}.")
    rules = zones.rules(zone)
    first = _first_date(period, moment.astimezone(rules).date())
    starts_at = _beginning(rules, first)
    # A clock that goes back over midnight shows the date before again, when the season of the new
    # date has begun. The season of a date that a zone leaves out would be empty.
    # guard: date-shown-again
    while (ends_at := _beginning(rules, first := _first_date_after(period, first))) <= moment:
        starts_at = ends_at
    return starts_at, ends_at


def following(period: Period, zone: str, ends_at: datetime) -> datetime:
    """Find when the season ends that starts at `ends_at`, in UTC.

    If `ends_at` is no boundary by the present rules of the zone, because these or the board's
    period changed after it was written, the season ends at the first boundary that is more than
    12 hours later. Raises what `containing` raises.
    """
    return containing(period, zone, ends_at + SHORTEST)[1]  # guard: season-of-some-hours


def _beginning(rules: ZoneInfo, first: date) -> datetime:
    return zones.first_moment(rules, datetime.combine(first, time.min))


def _first_date(period: Period, day: date) -> date:
    """Find the first date of the season that has this date."""
    if period == "day":
        return day
    if period == "week":  # ISO 8601: from Monday
        return day - timedelta(days=day.weekday())
    if period == "month":
        return day.replace(day=1)
    raise ValueError(f"the period {period} has no calendar")


def _first_date_after(period: Period, first: date) -> date:
    """Find the first date of the next season, by the first date of one."""
    if period == "day":
        return first + timedelta(days=1)
    if period == "week":
        return first + timedelta(days=7)
    return (first + timedelta(days=31)).replace(day=1)
