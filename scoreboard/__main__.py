"""The way in: the command `scoreboard`, which `python -m scoreboard` is as well."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command that the process was started with, and end the process. Ctrl-C ends it
    without a word, also within the second in which the command's modules are imported.
    """
    try:
        from scoreboard import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
