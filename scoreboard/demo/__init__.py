"""The demo's game: players who register, log in, submit and watch, like any client over HTTP.

Before it: `scoreboard demo`, and `scoreboard users delete-demo`. After it: a service, through its
public API. The game never touches the parts of a service: what it knows of one, it reads from the
API.
"""
