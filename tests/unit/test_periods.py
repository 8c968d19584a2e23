"""Seasons begin and end where a clock of their zone says so, whatever that clock does."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import scoreboard
from scoreboard.seasons import zones
from scoreboard.seasons.periods import BeyondCalendar, Period, containing, following

ROOT = Path(scoreboard.__file__).parent.parent


def shown(zone: str, *moments: datetime) -> list[str]:
    """What clocks of the zone show at these moments, each with its offset from UTC."""
    return [moment.astimezone(ZoneInfo(zone)).isoformat(" ", "minutes") for moment in moments]


def day(zone: str, local: str) -> list[str]:
    """The season of a day that contains a local time, as clocks there show it."""
    moment = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
    return shown(zone, *containing("day", zone, moment))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "starts_at", "ends_at"),
    [
        ("day", "2026-12-01 00:00+01:00", "2026-12-02 00:00+01:00"),
        ("week", "2026-11-30 00:00+01:00", "2026-12-07 00:00+01:00"),
        ("month", "2026-12-01 00:00+01:00", "2027-01-01 00:00+01:00"),
    ],
)
def test_days_begin_at_midnight_weeks_on_monday_and_months_on_the_first(
    period: Period, starts_at: str, ends_at: str
) -> None:
    season = containing(period, "Europe/Berlin", utc("2026-12-01T12:00"))

    assert shown("Europe/Berlin", *season) == [starts_at, ends_at]


def test_a_season_contains_its_start_and_not_its_end() -> None:
    starts_at, ends_at = containing("day", "Asia/Kolkata", utc("2026-12-01T12:00"))

    assert (starts_at, ends_at) == (utc("2026-11-30T18:30"), utc("2026-12-01T18:30"))
    assert containing("day", "Asia/Kolkata", starts_at) == (starts_at, ends_at)
    assert containing("day", "Asia/Kolkata", ends_at - timedelta.resolution)[1] == ends_at
    assert containing("day", "Asia/Kolkata", ends_at)[0] == ends_at


def test_boundaries_are_in_utc_whatever_the_zone_of_the_moment() -> None:
    moment = datetime(2026, 12, 1, tzinfo=ZoneInfo("Asia/Tokyo"))

    starts_at, ends_at = containing("day", "Asia/Tokyo", moment)

    assert starts_at.tzinfo is ends_at.tzinfo is UTC
    assert following("day", "Asia/Tokyo", moment + timedelta(days=1)).tzinfo is UTC


@pytest.mark.parametrize(
    ("zone", "date"),
    [("America/Santiago", "2026-09-06"), ("Africa/Cairo", "2026-04-24")],
)
def test_a_day_without_a_midnight_begins_at_the_first_time_that_exists(
    zone: str, date: str
) -> None:
    starts_at, ends_at = day(zone, f"{date}T12:00")

    assert starts_at.startswith(f"{date} 01:00")
    assert ends_at.endswith(starts_at[-6:])  # 23 hours later, by the new offset


def test_a_day_with_two_midnights_begins_at_the_first() -> None:
    # At 01:00 clocks go back to 00:00.
    assert day("America/Havana", "2026-11-01T12:00") == [
        "2026-11-01 00:00-04:00",
        "2026-11-02 00:00-05:00",
    ]


def test_an_evening_that_comes_twice_belongs_to_one_day() -> None:
    # At midnight clocks go back to 23:00, so midnight comes once.
    assert day("Asia/Beirut", "2026-10-24T23:30") == [
        "2026-10-24 00:00+03:00",
        "2026-10-25 00:00+02:00",
    ]


def test_a_date_that_is_shown_again_after_midnight_belongs_to_the_day_that_has_begun() -> None:
    # At 00:01 of the 7th clocks went back to 23:01 of the 6th. The 7th had begun.
    again = datetime(2010, 11, 6, 23, 30, fold=1, tzinfo=ZoneInfo("America/St_Johns"))

    season = containing("day", "America/St_Johns", again)

    assert again.astimezone(UTC) == utc("2010-11-07T03:00")
    assert shown("America/St_Johns", *season) == [
        "2010-11-07 00:00-02:30",
        "2010-11-08 00:00-03:30",
    ]


@pytest.mark.parametrize(
    ("zone", "before", "boundary"),
    [
        ("Pacific/Apia", "2011-12-29T12:00", "2011-12-31 00:00+14:00"),
        ("Pacific/Kwajalein", "1993-08-20T12:00", "1993-08-22 00:00+12:00"),
    ],
)
def test_a_date_that_a_zone_leaves_out_has_no_season(zone: str, before: str, boundary: str) -> None:
    season = day(zone, before)

    assert season[1] == boundary
    assert day(zone, boundary[:16])[0] == boundary
    ends_at = datetime.fromisoformat(boundary)
    assert following("day", zone, ends_at) == containing("day", zone, ends_at)[1]


def test_a_month_lacks_the_date_that_its_zone_left_out() -> None:
    _, ends_at = containing("month", "Pacific/Kiritimati", utc("1994-12-05T00:00"))

    assert shown("Pacific/Kiritimati", ends_at) == ["1995-01-01 00:00+14:00"]
    assert ends_at - utc("1994-12-01T10:00") == timedelta(days=30)


@pytest.mark.parametrize("hours", [-3, -1, 1, 3])
def test_a_boundary_that_newer_rules_moved_makes_no_season_of_some_hours(hours: int) -> None:
    written = utc("2026-12-01T00:00") + timedelta(hours=hours)

    assert following("day", "UTC", written) == utc("2026-12-02T00:00")
    assert following("week", "UTC", utc("2026-12-07T00:00") + timedelta(hours=hours)) == utc(
        "2026-12-14T00:00"
    )


def test_a_season_that_starts_amid_a_week_ends_with_that_week() -> None:
    assert following("week", "UTC", utc("2026-12-03T15:00")) == utc("2026-12-07T00:00")


@pytest.mark.parametrize("year", [1, 1969, 9999])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_years_without_seasons_are_refused(zone: str, year: int) -> None:
    for month, day_ in ((1, 1), (12, 31)):
        with pytest.raises(BeyondCalendar, match=r"is in no season: these have years 1970 to 9998"):
            containing("month", zone, datetime(year, month, day_, tzinfo=UTC))


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("moment", ["1970-01-01T00:00", "9998-12-31T23:59"])
def test_the_first_and_the_last_moment_have_seasons(zone: str, moment: str) -> None:
    starts_at, ends_at = containing("month", zone, utc(moment))

    assert starts_at <= utc(moment) < ends_at


@pytest.mark.parametrize("period", ["none", "dates"])
def test_periods_without_a_calendar_are_refused(period: Any) -> None:
    with pytest.raises(ValueError, match=f"the period {period} has no calendar"):
        containing(period, "UTC", utc("2026-12-01T00:00"))


# Zones


def test_a_local_time_that_a_change_skips_is_the_moment_of_the_change() -> None:
    berlin = zones.rules("Europe/Berlin")

    # At 02:00 clocks go forward to 03:00.
    for local in ("02:00", "02:30", "02:59:59.5", "03:00"):
        moment = zones.first_moment(berlin, datetime.fromisoformat(f"2026-03-29T{local}"))
        assert moment == utc("2026-03-29T01:00")


def test_a_local_time_that_comes_twice_is_the_first_of_the_two() -> None:
    moment = zones.first_moment(zones.rules("Europe/Berlin"), datetime(2026, 10, 25, 2, 30))

    assert moment == utc("2026-10-25T00:30")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("Santiago", "America/Santiago"),
        ("utc", "UTC"),
        ("", "a name of the IANA database, such as Europe/Berlin, or UTC"),
        ("localtime", "a name of the IANA database, such as Europe/Berlin, or UTC"),
        ("Factory", "a name of the IANA database, such as Europe/Berlin, or UTC"),
        ("+01:00", "a name of the IANA database, such as Europe/Berlin, or UTC"),
        ("../../etc/passwd", "a name of the IANA database, such as Europe/Berlin, or UTC"),
        ("/usr/share/zoneinfo/UTC", "a name of the IANA database, such as Europe/Berlin, or UTC"),
        ("Europe/Berlin\0", "a name of the IANA database, such as Europe/Berlin, or UTC"),
        ("posix/UTC", "a name of the IANA database, such as Europe/Berlin, or UTC"),
        ("Europe", "a name of the IANA database, such as Europe/Berlin, or UTC"),
        ("U" * 1_000_000, "a name of the IANA database, such as Europe/Berlin, or UTC"),
    ],
)
def test_a_zone_is_a_name_of_the_list_and_never_a_path(written: str, meant: str) -> None:
    assert zones.problem(written) == f"is no time zone: write {meant}"
    with pytest.raises(zones.UnknownZone, match=r" is no time zone: write ") as refused:
        containing("day", written, utc("2026-12-01T00:00"))
    assert len(str(refused.value)) < 200


def test_links_are_zones_too() -> None:
    assert zones.problem("US/Eastern") == ""
    assert len(zones.names()) > 500
    assert max(map(len, zones.names())) <= zones.ZONE_CHARS_MAX


def test_a_machine_without_zones_has_those_of_the_package() -> None:
    every_zone = (
        "from scoreboard.seasons.zones import names, rules\nfor name in names(): rules(name)"
    )

    # Its own data is looked for nowhere.
    subprocess.run(
        [sys.executable, "-c", every_zone], env={"PYTHONTZPATH": ""}, cwd=ROOT, check=True
    )
