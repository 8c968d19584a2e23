"""The indexes of the ranking without hidden entries, under their names.

Whoever is hidden stands at the top as a rule, and each look at a board would walk past them.

Nobody is held up: each index is built while others write, and takes the name of the one before it.
So this is no transaction, and what an ended run left half built is dropped by the next one.
"""

from yoyo import step

__depends__ = {"0014.trust"}
__transactional__ = False

RANKINGS = {
    "idx_scores_score_desc": "scores (score DESC, updated_at, user_id)",
    "idx_season_entries_ranking": "season_entries (season_id, score DESC, updated_at, user_id)",
}


def replace(name, ranked):
    """Build the index anew beside the one that there is, and let it take the name."""
    step(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_next")
    step(f"CREATE INDEX CONCURRENTLY {name}_next ON {ranked} WHERE NOT hidden")
    step(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", f"CREATE INDEX {name} ON {ranked}")
    step(f"ALTER INDEX {name}_next RENAME TO {name}", f"DROP INDEX {name}")


# It waits for older transactions, a backup's for example. Nobody waits for it, so it may wait.
step("SET lock_timeout = 0")
for name, ranked in RANKINGS.items():
    replace(name, ranked)
# The highest score of all is one of these, or the first of the ranking.
step("DROP INDEX CONCURRENTLY IF EXISTS idx_scores_hidden")
step(
    "CREATE INDEX CONCURRENTLY idx_scores_hidden ON scores (score) WHERE hidden",
    "DROP INDEX idx_scores_hidden",
)
step("RESET lock_timeout")
