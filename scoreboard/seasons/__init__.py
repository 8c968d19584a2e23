"""What an operator says of a board, and when its seasons begin and end.

Before it: a file that an operator hands over. After it: `ledger`, which keeps boards, and writes
each season ahead of its beginning. It never asks a server or a clock: the same question has the
same answer.
"""
