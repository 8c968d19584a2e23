"""What counts: grants each action once, keeps the score, and keeps the board's copy in Redis fresh.

Before it: the edge (`api`) with a user it trusts (`accounts`). After it: `live`, which tells every
client. `submit` is the plot; `ledger` holds the only transactions; `board` is a copy; `model` the
frozen values. It never speaks HTTP and never waits for a subscriber.
"""
