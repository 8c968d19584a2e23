"""What is kept of one person: all of it, for that person.

Before it: the edge (`api`) and commands, which say whose data are asked for, and whether they may.
After it: PostgreSQL. It never decides who may ask. Their end is an act of `ledger.moderation`.

A new table that says something of users gets a section here, and a row in docs/personal-data.md.
"""
