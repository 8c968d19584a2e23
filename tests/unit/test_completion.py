"""What shells complete, in real shells as far as they are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from scoreboard import cli
from scoreboard.commands.description import SHELLS


def written_for(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a shell is given."""
    assert cli.run(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_is_in_what_a_shell_is_given(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written = written_for(shell, capsys)
    for command in cli.declare().declared:
        assert command.words.split()[-1] in written
    assert "lifeline" not in written  # which is no option for people
    if shutil.which(shell) is not None:
        checked = subprocess.run(
            [shell, "-n"], input=written, text=True, capture_output=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")


def test_bash_completes_commands_options_choices_and_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "completion").write_text(written_for("bash", capsys))
    (tmp_path / "actions.csv").touch()

    def completed(*words: str) -> set[str]:
        script = (
            'source ./completion; COMP_WORDS=(scoreboard "$@"); COMP_CWORD=$#; _shtab_scoreboard; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        ran = subprocess.run(
            ["bash", "-c", script, "bash", *words],
            cwd=tmp_path,
            text=True,
            capture_output=True,
            check=True,
        )
        return set(ran.stdout.split())

    assert completed("us") == {"users"}
    assert completed("actions", "") == {"load", "list", "disable", "enable", "rename", "remove"}
    assert completed("users", "list", "--pro") == {"--problems"}
    assert completed("serve", "--role", "s") == {"stream"}
    assert completed("completion", "") == set(SHELLS)
    assert completed("actions", "load", "act") == {"actions.csv"}
