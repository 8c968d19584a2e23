"""Beneath everything: the borders to PostgreSQL and Redis, and the primitive that shares round
trips.

A driver's exceptions are caught in its one module here (RabbitMQ's in `bus.rabbit`) and leave as
ours. Nothing here knows what a score is.
"""
