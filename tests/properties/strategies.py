"""What tests draw: boards, JSON, rates, games (who submits what, and what else happens), and what
strangers write.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from scoreboard.action_ids import composed, problem
from scoreboard.configuration.kinds import Rate
from scoreboard.configuration.settings import Settings
from scoreboard.model import BOARD_ID, BOARD_SIZE, MAIN, SIZE_MAX, Board, BoardId, Entry
from scoreboard.seasons import zones
from scoreboard.seasons.definition import GRACE_SECONDS_MAX, Definition

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


# What PostgreSQL keeps as one.
_usernames = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)


def boards() -> st.SearchStrategy[Board]:
    """Any board that may travel."""
    entry = st.builds(Entry, st.uuids().map(str), _usernames, st.integers(0, INTEGER_MAX))
    entries = st.lists(entry, max_size=BOARD_SIZE, unique_by=lambda entry: entry.user_id)
    board_ids = st.just(MAIN) | st.from_regex(BOARD_ID, fullmatch=True)
    return st.builds(
        Board,
        board_ids.map(BoardId),
        st.integers(0, 2**53 - 1),
        st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
        entries.map(lambda found: tuple(sorted(found, key=lambda entry: -entry.score))),
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


@dataclass(frozen=True)
class Kind:
    """A board: what counts on it, and how. Its seasons are of `dates` (each some seconds behind the
    end of the one before, and so many seconds long, None without end) or of every day of a `zone`.
    """

    operator: str
    direction: str
    actions: tuple[str, ...] | None  # None counts every one
    size: int
    grace_seconds: int
    dates: tuple[tuple[int, int | None], ...]
    zone: str | None


@dataclass(frozen=True)
class Wait:
    """The clock goes on, or is set back, by so many seconds."""

    seconds: int


@dataclass(frozen=True)
class Turn:
    """Whatever is due begins, ends and closes; perhaps by two instances at the same time."""

    instances: int


@dataclass(frozen=True)
class BoardRebuild:
    """One board is computed anew; `number` is which, as far as there are so many."""

    number: int
    ahead: int


BoardStep = Batch | Load | Removal | Wait | Turn | BoardRebuild


def kinds() -> st.SearchStrategy[Kind]:
    """Every operator and direction, sizes from 1 to 12, seasons by dates and by day."""
    dates = st.lists(st.tuples(st.sampled_from([0, 0, 7]), st.integers(1, 40)), max_size=4)
    last: st.SearchStrategy[list[tuple[int, int | None]]] = st.sampled_from([[], [(0, None)]])
    seasons = st.tuples(st.sampled_from([-5, 0, 3]), dates, last).map(
        lambda drawn: ((drawn[0], 10), *drawn[1], *drawn[2])
    )
    listed = st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3, unique=True).map(tuple)
    return st.builds(
        Kind,
        st.just("sum"),
        st.just("high"),
        st.none() | listed,
        st.integers(1, 12),
        st.sampled_from([0, 0, 6]),
        seasons,
        st.sampled_from([None, None, "UTC", "America/Santiago"]),
    ) | st.builds(
        Kind,
        st.just("best"),
        st.sampled_from(["high", "low"]),
        st.none() | listed,
        st.integers(1, 12),
        st.sampled_from([0, 0, 6]),
        seasons,
        st.sampled_from([None, None, "Africa/Cairo"]),
    )


def board_games() -> st.SearchStrategy[tuple[list[Kind], list[BoardStep]]]:
    """Some boards, and what may happen while their seasons come and go."""
    pairs = st.tuples(
        st.sampled_from([*PLAYERS, STRANGER]), st.sampled_from([*ACTIONS, UNKNOWN_ACTION])
    )
    batch = st.builds(Batch, st.lists(pairs, min_size=1, max_size=16).map(tuple))
    loads = st.builds(
        Load, st.fixed_dictionaries({}, optional=dict.fromkeys(ACTIONS, st.integers(1, 5)))
    )
    removal = st.builds(Removal, st.sampled_from([*PLAYERS, STRANGER]))
    rebuild = st.builds(BoardRebuild, st.integers(0, 3), st.integers(-3, 3))
    # Each has its chance in every round, so that few games are without any.
    wait = st.builds(Wait, st.sampled_from([0, 1, 4, 4, 9, 9, 15, 60, -3, -20, 86_400, 300_000]))
    turn = st.lists(st.builds(Turn, st.integers(1, 2)), max_size=1)
    seldom = st.sampled_from([0, 0, 1]).flatmap(
        lambda count: st.lists(loads | removal | rebuild, min_size=count, max_size=count)
    )
    rounds = st.tuples(wait, turn, batch, seldom).map(
        lambda drawn: (drawn[0], *drawn[1], drawn[2], *drawn[3])
    )
    steps = st.lists(rounds, min_size=4, max_size=8).map(
        lambda drawn: [step for each in drawn for step in each]
    )
    return st.tuples(st.lists(kinds(), min_size=2, max_size=4), steps)


# Seasons


@st.composite
def zone_moments(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and a moment; mostly one near a change of its clocks."""
    name = draw(st.sampled_from(sorted(zones.names())))
    # Until 1972 the clocks of Monrovia were half a minute beside those of others.
    new_year = datetime(draw(st.integers(1973, 2100)), 1, 1, tzinfo=UTC)
    noons = [new_year + timedelta(days=day, hours=12) for day in range(366)]
    offsets = [noon.astimezone(ZoneInfo(name)).utcoffset() for noon in noons]
    changes = [
        noon
        for noon, (one, other) in zip(noons, itertools.pairwise(offsets), strict=False)
        if one != other
    ]
    near = draw(st.sampled_from(changes or noons))
    return name, near + timedelta(seconds=draw(st.integers(-2 * 86400, 3 * 86400)))


def definitions() -> st.SearchStrategy[Definition]:
    """Any good definition of a board."""
    return st.sampled_from(["none", "day", "week", "month", "dates"]).flatmap(_definitions)


def _definitions(period: Any) -> st.SearchStrategy[Definition]:
    seconds = st.integers(0, GRACE_SECONDS_MAX)
    counted = st.sampled_from(["every", "results"]).map(lambda counts: (counts, ()))
    listed = st.lists(action_ids().filter(lambda id: ";" not in id), min_size=1, unique=True)
    boards = st.tuples(
        st.sampled_from([("high", "sum"), ("high", "best"), ("low", "best")]),
        counted | listed.map(lambda ids: ("listed", tuple(ids))),
    )
    return boards.flatmap(
        lambda kind: st.builds(
            Definition,
            st.from_regex(BOARD_ID, fullmatch=True).filter(lambda id: id != MAIN).map(BoardId),
            st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=200),
            direction=st.just(kind[0][0]),
            operator=st.just(kind[0][1]),
            counts=st.just(kind[1][0]),
            actions=st.just(kind[1][1]),
            size=st.integers(1, SIZE_MAX),
            period=st.just(period),
            zone=st.sampled_from(sorted(zones.names())),
            seasons=_seasons() if period == "dates" else st.just(()),
            starts_at=st.none() | _moments() if period == "none" else st.none(),
            grace_seconds=st.just(0) if period == "none" else seconds,
            visibility=st.sampled_from(["public", "token"]),
            keep_full_seconds=st.none() if period == "none" else st.none() | seconds,
        )
    )


def _moments() -> st.SearchStrategy[datetime]:
    return st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))


def _seasons() -> st.SearchStrategy[tuple[tuple[datetime, datetime], ...]]:
    """Some seasons in their order, with gaps between them or none."""
    boundaries = st.lists(_moments(), min_size=2, max_size=8, unique=True).map(sorted)
    return boundaries.flatmap(
        lambda found: st.sampled_from(
            [tuple(itertools.pairwise(found)), tuple(zip(found[::2], found[1::2], strict=False))]
        )
    )


# What strangers write


def header_texts() -> st.SearchStrategy[str]:
    """Any value that a header field can have."""
    return st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=80)


def _joined(*pieces: str, separators: tuple[str, ...] = ("",)) -> st.SearchStrategy[str]:
    """Texts made of these pieces, of others, and of what stands between them."""
    piece = st.sampled_from(pieces) | header_texts().map(lambda text: text[:8])
    separator = st.sampled_from(separators)
    return st.lists(st.tuples(piece, separator), max_size=8).map(
        lambda found: "".join(one + between for one, between in found)
    )


def authorizations(token: str) -> st.SearchStrategy[str]:
    """Header values around a good token: whole, cut, twice, under other schemes."""
    head, claims, signature = token.split(".")
    return _joined(
        *("Bearer", "bearer", "BEARER", "Basic", "Bearer:", token, head, claims, signature),
        separators=("", " ", "  ", "\t", ".", "..", ","),
    )


def traceparents() -> st.SearchStrategy[str]:
    """Trace contexts, good ones and others."""
    digits = st.text("0123456789abcdefABCDEF", max_size=32)
    parts = st.tuples(st.sampled_from(["00", "01", "ff", ""]), digits, digits, digits)
    good = st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True)
    return good | parts.map("-".join)


def forwarded() -> st.SearchStrategy[str]:
    """Values of X-Forwarded-For, or nearly."""
    addresses = st.ip_addresses().map(str)
    odd = st.sampled_from(["unknown", "[::1", "::1]", "1.2.3", "[::1]:80", "1.2.3.4:x", "fe80::1%"])
    hop = addresses | addresses.map("[{}]:41000".format) | odd | header_texts()
    return st.lists(hop, max_size=5).map(", ".join)


def environments() -> st.SearchStrategy[dict[str, str]]:
    """Variables for the settings, with names and values right or wrong."""
    names = [f"SCOREBOARD_{field.name.upper()}" for field in fields(Settings)]
    name = st.sampled_from([*names, *(f"{name}_FILE" for name in names), "SCOREBOARD_PROT", "PATH"])
    number = st.integers().map(str) | st.floats().map(str)
    words = st.sampled_from(["", "all", "true", "600/minute", "10.0.0.0/8, ::1", "info", "*", "[]"])
    return st.dictionaries(name, number | words | header_texts(), max_size=6)


def logins() -> st.SearchStrategy[str]:
    """Names of few letters, each in one of its many forms."""
    forms = (
        "iI\u0130\u0131\u2170\uff49\u24d8\U0001d4f2"  # dotted, dotless, Roman, wide, script
        "kK\u212a sS\u017f\u00df \ufb01 \u00e9\u0301\u0307 @. \u00c5\u00e5\u212b \u1d2caA\u00c4"
    )
    return st.text(st.sampled_from(forms), min_size=1, max_size=4)


def usernames() -> st.SearchStrategy[str]:
    """Texts that are good names, or nearly: letters of many scripts, marks, joiners, signs."""
    letters = st.characters(categories=["L", "Nd"])
    marks = st.characters(categories=["Mn", "Mc"]) | st.sampled_from("\u0301\u0307\u094d\u0e49")
    signs = st.sampled_from("_-.\u200c\u200d\u3164\u00ad\uff20 \u0131\u0130\u0345\u0e33")
    piece = st.tuples(letters, st.lists(marks | signs, max_size=3).map("".join)).map("".join)
    return st.lists(piece, max_size=12).map("".join)


def emails() -> st.SearchStrategy[str]:
    """Addresses of many forms, good and bad ones."""
    local = usernames() | st.sampled_from(["ada", "a+b", '"a b"', "a\uff20b", ""])
    label = st.sampled_from(["example", "m\u00fcnchen", "xn--mnchen-3ya", "EXAMPLE", "", "\u0661"])
    domain = st.lists(label, max_size=4).map(".".join)
    return st.tuples(local, st.sampled_from("@@@\uff20"), domain).map("".join)


def action_ids() -> st.SearchStrategy[str]:
    """Ids that a file may load."""
    characters = st.characters(exclude_categories=["C", "Z"]) | st.just(" ")
    return (
        st.text(characters, min_size=1, max_size=50)
        .map(composed)
        .filter(lambda id: not problem(id))
    )


def requests() -> st.SearchStrategy[bytes]:
    """Bytes that begin like a request and go wrong somewhere, or nowhere."""
    methods = st.sampled_from(
        [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"get", b"", b"\x16"]
    )
    paths = st.sampled_from(
        [
            b"/",
            b"/api/actions",
            b"/api/leaderboard",
            b"/api/boards",
            b"/api/boards/main/leaderboard?season=1",
            b"/api/boards/%E2%98%83/seasons?after=\xff",
            b"/api/boards/main/entries?limit=3&rank=2",
            b"/api/boards/main/entries?after=" + b"A" * 55,
            b"/api/boards/main/entries?users=\xff,00000000000040008000000000000000",
            b"/api/boards/main/users/\xff",
            b"/api/auth/login",
            b"/api/me",
            b"*",
            b"//",
            b"http://xn--a/healthz",
            b"test:80",
            b"/" * 100,
        ]
    ) | st.binary(max_size=20)
    versions = st.sampled_from(
        [b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 ", b""]
    )
    lines = st.sampled_from(
        [
            b"Host: test",
            b"Content-Type: application/json",
            b"Content-Length: 2",
            b"Content-Length: -1",
            b"Transfer-Encoding: chunked",
            b"Content-Encoding: gzip",
            b"Content-Encoding: deflate",
            b"Content-Encoding: br, gzip",
            b"Expect: 100-continue",
            b"Expect: anything",
            b"Connection: Upgrade",
            b"Connection: close, Upgrade",
            b"Upgrade: websocket",
            b"Upgrade: h2c",
            b"Authorization: Bearer a.b.c",
            b'If-None-Match: W/"1", *',
            b"Accept-Encoding: gzip;q=x",
            b"Range: bytes=-1",
            b"Cookie: =;=",
        ]
    ) | st.binary(max_size=20)
    ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b""])
    first = st.builds(lambda *parts: b" ".join(parts), methods, paths, versions)
    head = st.lists(st.tuples(lines, ends).map(b"".join), max_size=6).map(b"".join)
    bodies = st.sampled_from(
        [
            b"",
            b"{}",
            b"\xef\xbb\xbf{}",
            b"2\r\n{}\r\n0\r\n\r\n",
            b"2\r\n{}zz\r\n",
            b"\x1f\x8b\x08",
            b"[" * 100,
        ]
    ) | st.binary(max_size=20)
    return st.builds(
        lambda *parts: b"".join(parts), first, ends, st.just(b"Host: test\r\n"), head, ends, bodies
    )


@dataclass(frozen=True)
class Shift:
    """What moves in a ranking at once: so many entries come into one tenth of it, and a share of
    all goes.
    """

    tenth: int
    come: int
    share_gone: float
    seed: int


def shifts() -> st.SearchStrategy[list[Shift]]:
    """A ranking's life: now and then a crowd arrives in one place, or most leave."""
    come = st.integers(0, 50) | st.integers(0, 6000)
    gone = st.just(0.0) | st.floats(0, 0.2) | st.floats(0.8, 1)
    return st.lists(
        st.builds(Shift, st.integers(0, 9), come, gone, st.integers(0, 2**32)), max_size=12
    )
