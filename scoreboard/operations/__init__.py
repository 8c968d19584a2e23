"""See inside: logs, metrics, traces, health, and the servers that `make run` brings along.

Beneath everything else: whoever does something counts it here. Nothing here does the work itself.
"""
