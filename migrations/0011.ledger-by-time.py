"""An index of the ledger by time, so that the rows of a season are found without reading all.

Rows are written in the order of `submitted_at`, so an index of block ranges is enough: it has a few
hundred bytes for a million rows and costs a grant almost nothing.

Nobody is held up: it is built while others write. So this is no transaction, and what an ended run
left half built is dropped by the next one.
"""

from yoyo import step

__depends__ = {"0010.boards-and-seasons"}
__transactional__ = False

# It waits for older transactions, a backup's for example. Nobody waits for it, so it may wait.
step("SET lock_timeout = 0")
step("DROP INDEX CONCURRENTLY IF EXISTS idx_ledger_submitted_at")
step(
    "CREATE INDEX CONCURRENTLY idx_ledger_submitted_at ON ledger USING brin (submitted_at)",
    "DROP INDEX idx_ledger_submitted_at",
)
step("RESET lock_timeout")
