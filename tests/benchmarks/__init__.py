"""The figures of docs/benchmarks/, each measured beside what it is compared with, in one run.

`python -m tests.benchmarks` starts private real servers (fsync on, on disk), the service as
processes of its own, and the alternatives; one module measures one figure, `report` writes them
down. Load goes to 127.0.0.1 only, bounded in time and count.
"""
