"""The truth: who was granted what, and the only transactions.

Before it: `scoring`, which submits, `copies` and the relay, which ask, and operators' commands.
After it: PostgreSQL (`connections`). It never knows who is told of a board.
"""
