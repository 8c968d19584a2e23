"""Seasons of every zone follow one another, and files of boards say what was meant."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreboard.seasons import files
from scoreboard.seasons.definition import MEMBERS, Definition, NotDefined, define
from scoreboard.seasons.periods import Period, containing, following
from tests.properties.strategies import definitions, examples, json_values, zone_moments

CALENDARS: list[Period] = ["day", "week", "month"]

every_calendar = pytest.mark.parametrize("period", CALENDARS)


def local(moment: datetime, zone: str) -> datetime:
    """What a clock of the zone shows, without its offset."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def first_date(period: Period, moment: datetime, zone: str) -> datetime:
    """Midnight of the first date of a season, by what a clock shows in the middle of its first day
    or, where the zone left a date out, soon after.
    """
    shown = local(moment + timedelta(hours=6), zone)
    return shown.replace(hour=0, minute=0, second=0, microsecond=0)


@every_calendar
@given(zone_moments())
@examples(300)
def test_seasons_follow_one_another_without_a_gap(
    period: Period, zone_moment: tuple[str, datetime]
) -> None:
    zone, moment = zone_moment

    starts_at, ends_at = containing(period, zone, moment)
    next_ends_at = following(period, zone, ends_at)

    assert starts_at <= moment < ends_at < next_ends_at
    # Whatever moment of a season is asked for, it is the same season.
    assert containing(period, zone, starts_at) == (starts_at, ends_at)
    assert containing(period, zone, ends_at - timedelta.resolution) == (starts_at, ends_at)
    assert containing(period, zone, ends_at) == (ends_at, next_ends_at)
    assert following(period, zone, starts_at) == ends_at


@every_calendar
@given(zone_moments())
@examples(150)
def test_a_season_begins_when_a_clock_first_shows_its_first_date_or_a_later_one(
    period: Period, zone_moment: tuple[str, datetime]
) -> None:
    zone, moment = zone_moment

    starts_at, _ = containing(period, zone, moment)
    midnight = first_date(period, starts_at, zone)

    if period == "week":
        midnight -= timedelta(days=midnight.weekday())
    if period == "month":
        midnight = midnight.replace(day=1)
    # Looked for minute by minute, from before any clock of the world shows that date.
    before = (midnight - timedelta(hours=30)).replace(tzinfo=UTC)
    minutes = (before + timedelta(minutes=count) for count in range(5 * 24 * 60))
    assert starts_at == next(minute for minute in minutes if local(minute, zone) >= midnight)


@every_calendar
@given(zone_moments(), st.integers(-180, 180))
@examples(100)
def test_a_boundary_beside_the_calendar_leads_back_to_it(
    period: Period, zone_moment: tuple[str, datetime], minutes: int
) -> None:
    zone, moment = zone_moment
    _, boundary = containing(period, zone, moment)
    written = boundary + timedelta(minutes=minutes)

    ends_at = following(period, zone, written)

    assert ends_at - written > timedelta(hours=12)
    assert ends_at == following(period, zone, boundary)


# Files


def said(definition: Definition) -> dict[str, Any]:
    """What somebody would write who means this board, every member of it that has a value."""
    return {name: value for name, value in asdict(definition).items() if value not in (None, ())}


def in_toml(definition: Definition) -> str:
    def written(value: Any) -> str:
        if isinstance(value, tuple):
            return f"[{', '.join(written(each) for each in value)}]"
        if isinstance(value, datetime):
            return value.isoformat()
        return json.dumps(value, ensure_ascii=False)

    lines = [f"{name} = {written(value)}" for name, value in said(definition).items()]
    return "\n".join(["[[boards]]", *lines, ""])


def in_csv(found: list[Definition]) -> str:
    def written(value: Any) -> str:
        if isinstance(value, tuple):
            between = "/" if value and isinstance(value[0], datetime) else ";"
            return between.join(written(each) for each in value)
        return value.isoformat() if isinstance(value, datetime) else str(value)

    text = io.StringIO()
    writer = csv.DictWriter(text, MEMBERS)
    writer.writeheader()
    for definition in found:
        writer.writerow({name: written(value) for name, value in said(definition).items()})
    return text.getvalue()


@given(st.lists(definitions(), min_size=1, max_size=3, unique_by=lambda each: each.board_id))
@examples(150)
def test_what_is_written_in_either_form_is_what_is_read(found: list[Definition]) -> None:
    for text in ("".join(map(in_toml, found)), in_csv(found)):
        read = files.read(text.encode())
        assert (read.definitions, read.problems) == (found, [])
        assert list(read.places) == [definition.board_id for definition in found]


def hostile_texts() -> st.SearchStrategy[str]:
    """Texts that begin like a file of boards and go wrong somewhere."""
    words = st.sampled_from(
        [
            *(f"{name} = " for name in MEMBERS),
            *get_args(Period),
            *("[[boards]]", "[[", "]]", '"', '"""', "'", "'''", "\\", "#", "=", "\n", "\r", "{"),
            *(",", ";", "/", "2027-01-01", "2027-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"),
            *("board_id,title", "a,b", "1", "inf", "true", "[", "]", "\0", "\ufeff"),
        ]
    )
    return st.lists(words | st.text(max_size=5), max_size=25).map("".join)


@given(hostile_texts().map(str.encode) | st.binary(max_size=200))
@examples(500)
def test_any_file_is_read_or_refused(content: bytes) -> None:
    for form in ("toml", "csv", None):
        found = files.read(content, form)
        assert all(text.startswith(("line ", "board ")) for text in found.problems)
        assert all(text.isprintable() for text in found.problems)


@given(st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=5), json_values()))
@examples(300)
def test_any_values_define_a_board_or_are_refused(members: dict[str, Any]) -> None:
    problems: tuple[str, ...] = ()
    try:
        define(members)
    except NotDefined as refused:
        problems = refused.problems

    assert all(text.isprintable() for text in problems)
