"""Who hears of it: the bus between instances, the relay, the hub and the streams.

Before it: `scoring`, which hands over each new board. After it: the clients' sockets.

    bus ─▶ hub ─▶ stream
    relay: compares the hub and the copy in Redis with the ledger, and mends what the bus lost

It never decides what a score is, and it never waits for a subscriber.
"""
