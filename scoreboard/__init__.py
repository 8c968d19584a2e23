"""Scoreboard: grants each action to each user once and shows everybody the top 10 as it changes.

Read it downhill. `api` is the edge; `accounts` says who is asking; `scoring` grants and keeps the
score; `live` tells every client. `operations` sees inside, and `connections` holds the borders to
PostgreSQL and Redis; both lie beneath all of them. `app` puts all together; `cli` is the way in, to
what operators do (`commands`).
"""

__version__ = "0.1.0"
