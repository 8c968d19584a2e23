"""What is kept of one person: all of it for that person, and its end.

Before it: the edge (`api`) and commands, which say whose data are asked for, and whether they may.
After it: PostgreSQL, and `ledger.moderation`, which erases. It never decides who may ask.

A new table that says something of users gets a section here, and a row in docs/personal-data.md.
"""
