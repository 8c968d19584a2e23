"""What tests draw: boards, JSON, rates, and games (who submits what, and what else happens)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from scoreboard.scoring.model import BOARD_SIZE, Board, Entry
from scoreboard.settings import Rate

INTEGER_MAX = 2_147_483_647  # what a score's column holds
PLAYERS = tuple(f"00000000-0000-4000-8000-{number:012}" for number in range(14))
STRANGER = "00000000-0000-4000-8000-999999999999"
ACTIONS = ("walk", "run", "jump", "swim", "huge")
UNKNOWN_ACTION = "teleport"

# SCOREBOARD_TEST_EXPLORE=20 draws 20 times as many examples, and others each time. Without it a
# test draws the same ones in CI and at every desk: what is red is red for whoever looks at it.
_EXPLORE = int(os.environ.get("SCOREBOARD_TEST_EXPLORE", "0"))


def examples(count: int) -> settings:
    """The settings of every property test: so many examples; servers take the time they take."""
    return settings(
        max_examples=count * max(1, _EXPLORE),
        derandomize=_EXPLORE == 0,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


# orjson writes UTF-8, which has no surrogates.
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def boards() -> st.SearchStrategy[Board]:
    """Any board that may travel."""
    entry = st.builds(Entry, st.uuids().map(str), _texts, st.integers(0, INTEGER_MAX))
    return st.builds(
        Board,
        st.integers(0, 2**53),
        st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
        st.lists(entry, max_size=BOARD_SIZE).map(tuple),
    )


def json_values() -> st.SearchStrategy[Any]:
    """Any JSON that orjson writes and reads without loss."""
    numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        st.none() | st.booleans() | numbers | _texts,
        lambda values: st.lists(values, max_size=4) | st.dictionaries(_texts, values, max_size=4),
        max_leaves=10,
    )


def rates() -> st.SearchStrategy[Rate]:
    """Rates so slow that no key expires while an example runs."""
    return st.builds(Rate, st.integers(1, 6), st.sampled_from([60, 3600]))


@dataclass(frozen=True)
class Batch:
    """Submissions that one transaction takes: pairs of user and action."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Load:
    """The catalogue is loaded with these points."""

    points: dict[str, int] = field(hash=False)


@dataclass(frozen=True)
class Removal:
    """A user is removed."""

    user: str


@dataclass(frozen=True)
class Rebuild:
    """Everything is computed anew; `ahead` is how far a copy is ahead of the ledger, if it is."""

    ahead: int


Step = Batch | Load | Removal | Rebuild


def games() -> st.SearchStrategy[list[Step]]:
    """What may happen to a scoreboard, one step after another; mostly batches."""
    pairs = st.tuples(
        st.sampled_from([*PLAYERS, STRANGER]), st.sampled_from([*ACTIONS, UNKNOWN_ACTION])
    )
    batch = st.builds(Batch, st.lists(pairs, min_size=1, max_size=25).map(tuple))
    points = st.sampled_from([1, 2, 3, 5, 100])
    loads = st.builds(
        Load,
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(ACTIONS, points) | {"huge": st.just(INTEGER_MAX)}
        ),
    )
    removal = st.builds(Removal, st.sampled_from([*PLAYERS, STRANGER]))
    rebuild = st.builds(Rebuild, st.integers(-3, 3))
    return st.lists(batch | batch | batch | loads | removal | rebuild, min_size=3, max_size=12)
