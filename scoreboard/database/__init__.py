"""The schema: its migrations, the functions that statements call, and which schema of a database is
ours.

Before it: `scoreboard migrate`, and `fitness`, which asks what is missing. After it: PostgreSQL, by
`connections`. It never migrates what somebody else made, and the service never migrates by itself.
"""
