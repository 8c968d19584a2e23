"""What operators do: the commands behind `scoreboard`, a module for each group.

Before it: a person, a container's start, a cron job. After it: every other floor; nothing imports
from here but `cli`. A command opens only the servers that it needs, says what it did on standard
output and what went wrong on standard error, and never has a rule of its own: the rules are those
of the floors.
"""
