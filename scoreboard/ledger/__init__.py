"""The truth: who was granted what, and the only transactions.

Before it: `scoring`, which submits, `copies` and the relay, which ask, and operators' commands.
After it: PostgreSQL (`connections`), which grants by functions of this package's texts. It never
knows who is told of a board, and never makes a function: `database` does.
"""
