"""See inside: logs, metrics, traces, health.

Before it: every part, which counts here what it does. After it: standard error, Prometheus and a
collector of traces, which come or are sent to. It never does the work that it counts.
"""
