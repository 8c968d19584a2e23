"""`python -m scoreboard` is the same as the `scoreboard` command."""

from scoreboard.cli import main

if __name__ == "__main__":
    main()
