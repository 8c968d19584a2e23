"""What every command shares: arguments, the terminal, reports, failures, and the servers it opens.

Before it: `commands`, `processes` and `demo`. It never decides what a command does.
"""
