"""What counts: a submission is granted once, and everybody hears of it.

Before it: the edge (`api`) with a user it trusts (`accounts`). After it: `ledger`, which commits,
`copies`, `live` and `bus`, which tell every client. `submit` is the plot. It never speaks HTTP and
never waits for a subscriber.
"""
