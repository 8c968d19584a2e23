"""Boards travel between instances: over RabbitMQ, or nowhere where one instance is alone.

Before it: `scoring`, which publishes each new board. After it: the hub of every instance (`live`).
Nobody waits for the broker: a board that cannot be sent waits in its slot, and a newer one of its
id takes that. It never decides which board is the newest.
"""
