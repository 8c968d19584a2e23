"""Places: counted from what may be counted from, and of the season that is shown."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Never
from tests.guards.guard import AnyGuard, Guard, Marked

PLACES: Final = "tests/integration/test_places.py"
ROUTES: Final = "tests/service/test_places.py"
_SQL: Final = "scoreboard/scoring/places.sql"

OF_PLACES: Final[tuple[AnyGuard, ...]] = (
    Marked(
        "what is held is not counted from where something else answers",
        "place-unsound",
        Never(),
        f"{PLACES}::test_what_another_server_held_is_not_counted_from",
    ),
    Guard(
        "entries that were replaced are counted anew",
        _SQL,
        "    AND NOT EXISTS (",
        "    AND TRUE OR EXISTS (",
        f"{PLACES}::test_what_cannot_be_counted_from_is_not_counted_from",
    ),
    Guard(
        "what has moved must still be written down",
        _SQL,
        "(SELECT below FROM movements_removed) <=",
        "pg_snapshot_xmin(%(snapshot)s::pg_snapshot) <=",
        f"{PLACES}::test_what_cannot_be_counted_from_is_not_counted_from",
    ),
    Marked(
        "a season that begins meanwhile is the one that is answered",
        "place-season-turned",
        Never(),
        f"{PLACES}::test_a_season_that_begins_while_it_is_looked_at_is_the_one_that_is_answered",
    ),
    Marked(
        "a page has one beginning",
        "page-one-beginning",
        Never(),
        f"{ROUTES}::test_what_is_wrong_with_a_query_is_said_by_parameter",
    ),
    Marked(
        "a cursor that somebody made up is of a score that there may be",
        "cursor-of-a-score",
        Never(),
        f"{ROUTES}::test_a_cursor_that_somebody_made_up_leads_somewhere_or_nowhere",
    ),
)
