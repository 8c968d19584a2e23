"""Settings: where they come from, what each may hold, and the keys that are derived from them.

Everything may import from here, and it imports from nowhere else.
"""
