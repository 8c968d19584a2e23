"""Whether a database is fit for an instance, before it serves.

    fitness    reached, set, migrated, with the tables and rights that an instance needs
    contents   what the tables hold that an instance relies on
    trials     whether PostgreSQL takes each statement
    turns      whether seasons begin and end when they are due

Before it: the start, and `scoreboard check`. After it: PostgreSQL, by `connections`, and the
migrations of `database`. It never changes anything.
"""
