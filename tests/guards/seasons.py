"""Seasons: where they begin and end, and which zones there are."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Always, Instead, Never
from tests.guards.guard import Marked

PERIODS: Final = "tests/unit/test_periods.py"

SEASONS: Final = (
    Marked(
        "a zone is a name of the list, and never a path",
        "zone-from-the-list",
        Never(),
        f"{PERIODS}::test_a_zone_is_a_name_of_the_list_and_never_a_path",
    ),
    Marked(
        "a local time that a clock change skips is the moment of the change",
        "local-time-skipped",
        Always(),
        f"{PERIODS}::test_a_local_time_that_a_change_skips_is_the_moment_of_the_change",
    ),
    Marked(
        "a date that is shown again belongs to the season that has begun",
        "date-shown-again",
        Instead("$end <= moment", "$end <= starts_at"),
        f"{PERIODS}::test_a_date_that_is_shown_again_after_midnight_belongs_to_the_day_that_has_begun",
    ),
    Marked(
        "no season is made of the hours by which newer rules moved a boundary",
        "season-of-some-hours",
        Instead("ends_at + SHORTEST", "ends_at"),
        f"{PERIODS}::test_a_boundary_that_newer_rules_moved_makes_no_season_of_some_hours",
    ),
)
