"""How often a client may ask, and how many streams it may hold, over all instances.

Before it: the edge, which says who asks and what for. After it: Redis; without it each instance
counts for itself. It never sees a request or an answer.
"""
