"""Scoreboard: grants each action to each user once and shows everybody the top 10 as it changes.

Read it downhill: `commands` are the way in, `app` and `parts` put all together, `api` is the edge.
Then `accounts` say who is asking, `scoring` submits, `ledger` grants, `copies`, `bus` and `live`
tell every client. `operations`, `connections` and `configuration` lie beneath all of them. The
docstring of each package says what comes before and after it, and what it never does.
"""

__version__ = "1.3.0"
