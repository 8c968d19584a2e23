"""See inside: logs, metrics, traces, health.

Before it: every part, which counts here what it does. After it: standard error, Prometheus, which
asks, and a collector, which is sent traces. It never does the work that it counts. (What Python's
garbage collector need not look at is told here as well.)
"""
