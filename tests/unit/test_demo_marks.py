"""By what the demo's players are told from everybody else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from scoreboard.accounts import names
from scoreboard.console.reports import CommandFailed
from scoreboard.demo import marks as demo_marks
from scoreboard.demo.marks import ENDING, Marks


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this user's programs keep their state."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "scoreboard" / "demo-key"


def test_an_address_of_the_demo_is_good_and_known_and_no_other_is() -> None:
    marks, others = Marks(b"a" * 32), Marks(b"b" * 32)
    address = marks.address()
    assert names.email(address).key == address  # what is kept is what was made
    assert marks.made(address)
    assert not others.made(address)
    number, tag = address.removesuffix(ENDING).split(".")
    for strangers in (
        f"{number}.{'0' * 32}{ENDING}",
        f"{number[::-1]}0.{tag}{ENDING}",
        f"{number}.{tag}@example.org",
        f"{number}.{tag}{ENDING}.example.org",
        f"ada-3f2a1b{ENDING}",
        f"é{address}",
        ENDING,
        "",
    ):
        assert not marks.made(strangers)


def test_the_key_is_made_once_and_nobody_else_may_read_it(state: Path) -> None:
    assert demo_marks.kept() is None
    address = demo_marks.kept_or_new().address()
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert [file.name for file in state.parent.iterdir()] == ["demo-key"]
    assert demo_marks.kept_or_new().made(address)
    kept = demo_marks.kept()
    assert kept is not None
    assert kept.made(address)


def test_a_key_that_is_none_is_not_taken_for_one(state: Path) -> None:
    state.parent.mkdir(parents=True)
    for content in ("", "ab", "not hexadecimal"):
        state.write_text(content)
        with pytest.raises(CommandFailed, match="holds no key"):
            demo_marks.kept()


def test_where_nothing_can_be_kept_the_demo_plays_on_and_says_so(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state.parent.parent.write_text("a file in the place of the directory")
    marks = demo_marks.kept_or_new()
    assert marks.made(marks.address())
    assert "XDG_STATE_HOME" in capsys.readouterr().err
