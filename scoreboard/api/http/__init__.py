"""HTTP beneath the handlers: connections, what every request passes, and how answers are written.

Before it: the handlers (`api`). After it: `limits` and `accounts`, which say who may ask. It never
knows a resource.
"""
