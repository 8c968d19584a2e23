"""The demo's game: players who register, log in, submit and watch, like any client over HTTP.

Before it: `scoreboard demo`. It never touches the parts of a service: what it knows of one, it
reads from the API.
"""
