"""What every command shares: arguments, the terminal, reports, failures, and the servers it opens.

Before it: `commands`, `processes` and `demo`. After it: the terminal, and the floors that a command
works with. It never decides what a command does.
"""
