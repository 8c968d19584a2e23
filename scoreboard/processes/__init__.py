"""Processes that serve: a supervisor, its workers, and what they say to each other.

Before it: `scoreboard serve`. After it: `app`, which runs in each worker.
"""
