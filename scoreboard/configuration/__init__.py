"""Settings: where they come from, what each may hold, and the keys that are derived from them.

Before it: everything, which takes its settings from here. After it: files and the environment,
which are checked and not believed. It never opens a connection.
"""
