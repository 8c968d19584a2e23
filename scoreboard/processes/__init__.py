"""Processes that serve: a supervisor, its workers, and what they say to each other.

    workers      what the supervisor decides
    crew         the workers, and their seats
    patience     how long it waits for them
    worker       one of them, at the other end of its lifeline
    unwinding    how a process ends, asked once or more often
    streams      standard input, output and error, whatever the caller made of them
    loading      how modules are loaded at the start

Before it: `scoreboard serve`. After it: `app`, which runs in each worker. The supervisor never
serves anybody itself.
"""
