"""`python -m scoreboard` is the command `scoreboard`."""

from __future__ import annotations

from scoreboard.cli import main

if __name__ == "__main__":
    main()
