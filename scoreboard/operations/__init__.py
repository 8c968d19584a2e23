"""See inside: logs, metrics, traces, health.

Beneath everything else: whoever does something counts it here. Nothing here does the work itself.
"""
