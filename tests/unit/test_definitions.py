"""What an operator says of boards is read from files, or refused with every reason and its line."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from scoreboard.model import BoardId
from scoreboard.seasons import files
from scoreboard.seasons.definition import Definition, NotDefined, define

GOOD = {"board_id": "weekly", "title": "This week"}


def problems(**members: Any) -> list[str]:
    """What is wrong with a good board that has these members too."""
    with pytest.raises(NotDefined) as refused:
        define(GOOD | members)
    return list(refused.value.problems)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestDefinition:
    def test_a_board_needs_an_id_and_a_title_and_has_defaults_for_the_rest(self) -> None:
        assert define(GOOD) == Definition(
            board_id=BoardId("weekly"),
            title="This week",
            direction="high",
            operator="sum",
            counts="every",
            actions=(),
            size=10,
            period="none",
            zone="UTC",
            seasons=(),
            starts_at=None,
            grace_seconds=0,
            visibility="public",
            keep_full_seconds=None,
            value_min=0,
            value_max=2_147_483_647,
        )

    def test_values_may_be_those_of_toml_or_texts(self) -> None:
        said: dict[str, Any] = {
            "title": " Cup 🏆 ",
            "direction": "low",
            "operator": "best",
            "counts": "listed",
            "visibility": "token",
        }
        of_toml = said | {
            "actions": ["level 1", "caf\u00e9"],
            "size": 100,
            "period": "dates",
            "zone": "America/Santiago",
            "seasons": [
                [date(2026, 9, 6), datetime(2026, 9, 6, 12)],
                [utc("2026-09-07T00:00"), "2026-09-08"],
            ],
            "grace_seconds": 604_800,
            "keep_full_seconds": 0,
            "value_min": -9_007_199_254_740_991,
            "value_max": -1,
        }
        of_csv = said | {
            "actions": "level 1; caf\u00e9;",
            "size": "100",
            "period": "dates",
            "zone": "America/Santiago",
            "seasons": "2026-09-06/2026-09-06T12:00; 2026-09-07T00:00Z/2026-09-08",
            "grace_seconds": "604800",
            "keep_full_seconds": "0",
            "value_min": "-9007199254740991",
            "value_max": " -1",
        }

        definition = define(GOOD | of_toml)

        assert define(GOOD | of_csv) == definition
        assert definition.title == "Cup 🏆"
        assert definition.actions == ("level 1", "caf\u00e9")
        assert definition.seasons == (
            (utc("2026-09-06T04:00"), utc("2026-09-06T15:00")),  # midnight is skipped on the 6th
            (utc("2026-09-07T00:00"), utc("2026-09-08T03:00")),
        )

    def test_a_time_without_an_offset_is_one_of_the_boards_zone(self) -> None:
        said = GOOD | {"zone": "Asia/Tokyo"}

        for written in ("2027-03-01T09:00", datetime(2027, 3, 1, 9), "2027-03-01T00:00Z"):
            assert define(said | {"starts_at": written}).starts_at == utc("2027-03-01T00:00")

    def test_every_problem_is_said_at_once(self) -> None:
        with pytest.raises(NotDefined) as refused:
            define({"board_id": "This Week", "titel": "x", "size": 0, "zone": "Nowhere"})

        said = "\n".join(refused.value.problems)
        assert len(refused.value.problems) == 5
        for member in ("board_id must be", "'titel' is unknown", "title is missing", "size must"):
            assert member in said
        assert "zone 'Nowhere' is no time zone: write a name of the IANA database" in said

    @pytest.mark.parametrize("board_id", ["", "Weekly", "a_b", "-a", "a-", "a" * 51, "ä", "a\n", 7])
    def test_an_id_is_of_letters_digits_and_hyphens(self, board_id: Any) -> None:
        (problem,) = problems(board_id=board_id)
        assert problem.startswith(
            "board_id must be 1 to 50 lower-case letters, digits and hyphens, "
            "with no hyphen at an end, not "
        )

    def test_main_is_not_defined_anew(self) -> None:
        assert problems(board_id="main") == [
            "board_id main is a board that exists already: choose another one"
        ]

    @pytest.mark.parametrize("title", ["", "  ", "t" * 201, 5])
    def test_a_title_has_a_character_to_200(self, title: Any) -> None:
        (problem,) = problems(title=title)
        assert problem.startswith("title must be a text of 1 to 200 characters, not ")

    @pytest.mark.parametrize("character", [*"\0\x1b\n\u2028\u2029\x85\u202e\u2066"])
    def test_a_title_is_one_line_without_control_characters(self, character: str) -> None:
        assert problems(title=f"a{character}b") == [
            f"title must be one line without control characters: leave U+{ord(character):04X} out"
        ]

    @pytest.mark.parametrize("title", ["\u0645\u06cc\u200c\u062e", "\U0001f469\u200d\U0001f680"])
    def test_a_title_may_be_in_any_script(self, title: str) -> None:
        assert define(GOOD | {"title": title}).title == title

    @pytest.mark.parametrize(
        ("member", "words"),
        [
            ("direction", "high or low"),
            ("operator", "sum or best"),
            ("counts", "every or listed or results"),
            ("period", "none or day or week or month or dates"),
            ("visibility", "public or token"),
        ],
    )
    @pytest.mark.parametrize("value", ["High", "", True, ["high"], None])
    def test_words_are_those_of_a_list(self, member: str, words: str, value: Any) -> None:
        assert problems(**{member: value}) == [f"{member} must be {words}, not {value!r}"]

    @pytest.mark.parametrize(
        ("member", "most", "values"),
        [
            ("size", 100, [0, 101, True, 1.0, "", "ten", "1_0", "+1", "\u0661"]),
            ("grace_seconds", 604_800, [-1, 604_801, "-1", None]),
            ("keep_full_seconds", 2_147_483_647, [-1, 2**31, "for ever", "9" * 5_000]),
        ],
    )
    def test_numbers_have_bounds(self, member: str, most: int, values: list[Any]) -> None:
        for value in values:
            (problem,) = problems(period="day", **{member: value})
            least = 1 if member == "size" else 0
            assert problem.startswith(
                f"{member} must be a whole number from {least} to {most}, not"
            )

    def test_listed_actions_are_ids_each_once(self) -> None:
        listed = {"counts": "listed"}

        assert problems(**listed, actions=["a", "a"]) == ["actions has 'a' twice: leave one out"]
        assert len(problems(**listed, actions=["caf\u00e9", "cafe\u0301"])) == 1
        assert len(problems(**listed, actions=[7, "", "x" * 101, "a\0"])) == 4
        assert problems(**listed, actions={}) == [
            "actions must be a list of ids of actions, not {}"
        ]
        assert problems(**listed, actions=["a"] * 1_001) == [
            "actions must be 1,000 at most, and are 1,001"
        ]
        assert len(define(GOOD | listed | {"actions": [f"a{n}" for n in range(1_000)]}).actions)

    def test_seasons_are_in_the_order_of_time_without_overlap(self) -> None:
        def of(*seasons: Any) -> list[str]:
            return problems(period="dates", seasons=list(seasons))

        assert of("2027-01-02/2027-01-03", "2027-01-01/2027-01-02") == [
            "seasons number 2 begins before the one above it has ended: write them in the order of "
            "time, without overlap"
        ]
        assert of("2027-01-01/2027-01-01") == [
            "seasons number 1 must end after it starts, and is '2027-01-01/2027-01-01'"
        ]
        wrong: Any
        for wrong in ("2027-01-01", ["2027-01-01"], 5, {}, "2027-01-01/2027-01-02/2027-01-03"):
            (problem,) = of("2026-01-01/2026-01-02", wrong)
            assert problem.startswith("seasons number 2 must be a start and an end, such as 2027-")
        for wrong in ("soon/later", ["soon", 5], ["2027-13-01", ""]):
            (problem,) = of(wrong)
            assert problem.startswith("seasons number 1 must be a date such as 2027-03-01, or a ti")
        assert len(of(*["2027-01-01/2027-01-02"] * 1_001)) == 1
        with_a_gap = "2027-01-01/2027-01-02;2027-01-02/2027-01-03;2027-02-01/2027-02-02"
        assert len(define(GOOD | {"period": "dates", "seasons": with_a_gap}).seasons) == 3

    @pytest.mark.parametrize(
        "written",
        [
            *("1969-12-31", "9999-01-01", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"),
            *(datetime.min, datetime.max, datetime.min.replace(tzinfo=UTC), date.max),
            "1970-01-01T00:00+00:01",
        ],
    )
    def test_times_are_of_years_that_have_seasons(self, written: Any) -> None:
        (problem,) = problems(starts_at=written)
        assert problem.startswith("starts_at must be in the years 1970 to 9998, and is ")

    @pytest.mark.parametrize("member", ["value_min", "value_max"])
    def test_values_of_results_are_exact_in_json(self, member: str) -> None:
        for value in (2**53, -(2**53), True, 1.0, "", "1_0", "+1", "\u0661", "9" * 17, None):
            said = problems(**{"operator": "best", member: value})
            assert f"{member} must be a whole number from -9007199254740991 to " in said[0]

    def test_members_that_do_not_go_together_are_named(self) -> None:
        assert "so no result could count" in problems(value_min=2, value_max=1)[0]
        assert "with operator best only" in problems(value_min=-1)[0]
        assert "goes with operator best only" in problems(direction="low")[0]
        assert "write the ids that count" in problems(counts="listed")[0]
        assert "goes with counts listed only" in problems(actions=["a"])[0]
        assert "write when each season is" in problems(period="dates")[0]
        assert "goes with period dates only" in problems(seasons="2027-01-01/2027-01-02")[0]
        assert "goes with period none only" in problems(period="day", starts_at="2027-01-01")[0]
        assert "is about seasons that end" in problems(grace_seconds=1)[0]
        assert "is about seasons that end" in problems(keep_full_seconds=0)[0]

    def test_a_member_that_is_no_good_contradicts_no_other(self) -> None:
        assert len(problems(direction="low", operator="Best")) == 1
        assert len(problems(counts="listed", actions=7)) == 1
        assert len(problems(period="dates", seasons="soon")) == 1


def read(text: str | bytes, form: str | None = None) -> files.DefinitionFile:
    return files.read(text if isinstance(text, bytes) else text.encode(), form)


TOML = '''\
# [[boards]]
[[boards]]
board_id = "weekly"
title = """
[[boards]]"""
period = "week"
  [[ boards ]]  # the second
board_id = "sprint"
title = 'it"s'
operator = "best"
direction = "low"
'''
CSV = """\
board_id,title,period,size
weekly,This week,week,
sprint,"A ""sprint"",
or not",,20
"""


class TestFiles:
    def test_toml_has_a_table_for_each_board(self) -> None:
        found = read(TOML)

        assert found.problems == []
        assert [each.board_id for each in found.definitions] == ["weekly", "sprint"]
        assert [each.title for each in found.definitions] == ["[[boards]]", 'it"s']

    def test_csv_has_a_line_for_each_board_and_an_empty_cell_says_nothing(self) -> None:
        found = read(CSV.replace(",\nor", ", or"))

        assert found.problems == []
        assert [(each.period, each.size) for each in found.definitions] == [
            ("week", 10),
            ("none", 20),
        ]

    @pytest.mark.parametrize("ends", ["\n", "\r\n"])
    def test_problems_have_the_line_on_which_their_board_begins(self, ends: str) -> None:
        toml = TOML.replace('"low"', '"down"\nsize = 0').replace("\n", ends)
        csv = f"{CSV}third,Third,never,5\n".replace("\n", ends)

        assert [each.partition(" must ")[0] for each in read(toml).problems] == [
            "line 7: direction",
            "line 7: size",
        ]
        assert [each.partition(" must ")[0] for each in read(csv).problems] == [
            "line 3: title",
            "line 5: period",
        ]

    def test_a_board_that_is_there_twice_is_named_with_both_lines(self) -> None:
        assert read(TOML.replace('"sprint"', '"weekly"')).problems == [
            "line 7: board_id 'weekly' is on line 2 already: leave one of them out"
        ]
        assert read("board_id,title\nw,One\n\nw,Two\n").problems == [
            "line 4: board_id 'w' is on line 2 already: leave one of them out"
        ]

    def test_a_board_that_is_no_good_is_a_first_one_too(self) -> None:
        assert len(read("board_id,title,size\nw,One,0\nw,Two,1\n").problems) == 2

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("[[boards]\n", "line 1: not TOML: "),
            ('[[boards]]\nboard_id = "a', "line 2: not TOML: "),
            ("[[boards]]\nsize = " + "9" * 5_000, "line 1: not TOML: nested too deep"),
            ("[[boards]]\nx = " + "[" * 100_000, "line 1: not TOML: nested too deep"),
            ("boards = 3", "line 1: boards is no list of tables: begin each board with [[boards]]"),
            ("boards = [3]", "board 1: a table is expected, not 3"),
            ("size = 1\n", "line 1: outside of a board: 'size'; begin each board with [[boards]]"),
            ("[board]\n", "line 1: outside of a board: 'board'; begin each board with [[boards]]"),
        ],
    )
    def test_toml_that_holds_no_boards_is_refused(self, text: str, problem: str) -> None:
        (found,) = read(text).problems
        assert found.startswith(problem)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("weekly,This week\n", "line 1: there is no column 'weekly': write board_id, title, "),
            ("board_id,size\n", "line 1: the first line must be a header such as board_id,title,"),
            ("board_id,title,title\n", "line 1: the column title is there twice"),
            ('"board_id,title"\n', "line 1: the first line must be a header such as board_id,titl"),
            (
                "board_id;title\n",
                "line 1: the first line must be a header such as board_id,title,p",
            ),
            ("board_id,title\nw\n", "line 2: 2 columns expected, 1 found"),
            ('board_id,title\n"w,Week"\n', "line 2: 2 columns expected, 1 found; there are quotes"),
            ("board_id,title\n\ufeffboard_id,title\n", "line 2: a second header, as where two"),
            ('board_id,title\nw,"Week', "line 2: not CSV: "),
            (b"board_id,title\nw,\xff\n", "line 2: it is not UTF-8 text"),
        ],
    )
    def test_csv_that_holds_no_boards_is_refused(self, text: str | bytes, problem: str) -> None:
        (found,) = read(text).problems
        assert found.startswith(problem)

    def test_no_more_of_a_file_is_repeated_than_one_can_read(self) -> None:
        found = [
            *read(f"[{'k' * 100_000}]\n[{'k' * 100_000}]").problems,
            *read(f"{'k' * 100_000} = 1").problems,
            *read(f"board_id,{'k' * 100_000}").problems,
            *problems(**{"k" * 100_000: 1, "zone": "z" * 100_000}),
        ]

        assert len(found) == 5
        assert max(map(len, found)) < 300

    def test_boards_in_one_array_are_counted(self) -> None:
        found = read("boards = [{board_id='a', title='A'}, {board_id='b'}]")

        assert found.problems == ["board 2: title is missing: every board needs one"]

    def test_marks_at_the_beginning_and_other_encodings_are_read(self) -> None:
        for encoding in ("utf-8-sig", "utf-16"):
            assert read(CSV.replace(",\nor", "").encode(encoding)).problems == []
            assert read(TOML.encode(encoding)).problems == []

    def test_the_form_can_be_said(self) -> None:
        assert read("", "toml") == read("", "csv") == read("") == files.DefinitionFile()
        assert len(read(CSV, "toml").problems) == 1
        assert len(read(TOML, "csv").problems) == 1

    def test_a_file_is_bounded(self) -> None:
        lines = [f"b{number},Board\n" for number in range(1_001)]
        header = "board_id,title\n"

        assert len(read(header + "".join(lines[:-1])).definitions) == 1_000
        assert read(header + "".join(lines)).problems == [
            "line 1002: a file has 1,000 boards at most"
        ]
        assert read(b"#" * (8 * 1024 * 1024 + 1)).problems == [
            "line 1: the file is larger than 8 MiB"
        ]

    @pytest.mark.parametrize("text", [TOML, CSV, CSV + "x\n", "boards = [{}, {}, {}]"])
    def test_progress_goes_on_to_the_end_of_the_file(self, text: str) -> None:
        advances: list[int] = []

        files.read(text.encode(), None, advances.append)

        assert sum(advances) == len(text)
        assert min(advances) >= 0
