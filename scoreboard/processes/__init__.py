"""Processes that serve: a supervisor, its workers, and what they say to each other.

    workers      what the supervisor decides          unwinding   how a process ends, asked once or more
    crew         the workers, and their seats         streams     standard input, output and error
    patience     how long it waits for them
    worker ─▶ lifeline ─▶ a worker's own end of it

Before it: `scoreboard serve`. After it: `app`, which runs in each worker. The supervisor never
serves anybody itself.
"""
