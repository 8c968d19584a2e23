"""Real servers from wheels, private to one checkout, for `scoreboard serve --embedded`.

PostgreSQL keeps its data between runs, Redis keeps nothing: it only ever holds copies. Both listen
on Unix sockets alone, so two checkouts cannot meet and nobody else's port is taken. What is started
here is stopped when the context ends; what a killed run has left behind, the next one ends first.

    servers ─▶ postgres, redis ─▶ process, home

Before it: `commands`, which ask for servers and get their URLs. After it: those programs. It never
changes what the service does with them: through these URLs the service meets ordinary servers.
"""
