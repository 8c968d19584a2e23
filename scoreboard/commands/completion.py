"""`scoreboard completion`: what a shell needs to complete our commands and options."""

from __future__ import annotations

import argparse
from typing import Final

from scoreboard.console.arguments import Commands
from scoreboard.console.terminal import say

SHELLS: Final = ("bash", "zsh", "tcsh")


def add_to(commands: Commands) -> None:
    """Declare `completion`."""
    completion = commands.add(
        "completion",
        _completion,
        "write the lines of shell after which Tab completes commands and options",
        'eval "$(scoreboard completion bash)"                                    in ~/.bashrc',
        "scoreboard completion zsh > ~/.zfunc/_scoreboard                        "
        "with fpath+=~/.zfunc before compinit",
        "scoreboard completion tcsh > ~/.scoreboard.tcsh                         "
        "and source it in ~/.tcshrc",
    )
    completion.set_defaults(completed=commands.root)
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def _completion(arguments: argparse.Namespace) -> int:
    import shtab  # no other command needs it

    say(shtab.complete(arguments.completed, shell=arguments.shell).rstrip("\n"))
    return 0
