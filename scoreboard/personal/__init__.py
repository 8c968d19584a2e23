"""What is kept of one person, as that person gets it.

Before it: the edge (`api`) and commands, which say whose data are asked for, and whether they may.
After it: PostgreSQL. It only reads: what erases is `ledger.moderation`.

A new table that says something of users gets a section here, and a row in docs/personal-data.md.
"""
