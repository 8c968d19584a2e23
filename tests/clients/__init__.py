"""Other people's clients of streams, tried against one real instance: what docs/clients.md shows.

    python -m tests.clients [words of a client's name]    (make clients CLIENTS="curl node")

Each client is a small program of its own (`browser`, `node`, `python`, `java`, `go`) or a command.
It is told an address and a token, and says each event that it heard on a line of its own; the
driver (`trial`) changes the board, cuts the line and judges by those lines. Nothing here is a need
of the tests: what is not on this machine is not tried.
"""
