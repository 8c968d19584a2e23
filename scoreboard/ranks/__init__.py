"""How many stand before a key, for every ranking that somebody asks about, without counting all.

Before it: the ledger, whose triggers write down what moves (migration 0016). After it: places, and
what streams tell a user of their own. It never writes entries, and never decides who stands where:
PostgreSQL counts the last part of the way, in the snapshot that is answered from.
"""
