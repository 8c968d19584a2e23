"""Who hears of it: the hub, its channels, their streams, and the relay.

Before it: `scoring` and the bus, which hand over each new board. After it: the clients' sockets.

    announcer: tells the hub, the bus and Redis of each new board, whoever made it
    hub ─▶ channel (one board and its subscribers) ─▶ stream
    relay: compares the hub and the copies in Redis with the ledger, and mends what the bus lost
    turns: lets seasons begin, end and close when they are due

It never decides what a score is, and it never waits for a subscriber.
"""
