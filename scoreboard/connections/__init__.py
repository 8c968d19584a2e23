"""The borders to PostgreSQL and Redis, and the primitive that shares round trips.

Before it: every part that asks a server. After it: the drivers, whose exceptions are caught in one
module here each (RabbitMQ's in `bus`) and leave as ours. It never knows what a score is.
"""
