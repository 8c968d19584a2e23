-- The board is ordered by score, then by who reached it first, then by user_id. The seed's index knows
-- only the score, so a tie at the tenth place sorted every tied row. The same index, under the seed's
-- name, now holds the whole ranking rule, and the top 10 is its first ten entries.
-- A rank needs a time: updated_at (when the present score was reached) may no longer be null.
-- depends: 0002.drop-redundant-indexes

UPDATE scores SET updated_at = CURRENT_TIMESTAMP WHERE updated_at IS NULL;
UPDATE ledger SET submitted_at = CURRENT_TIMESTAMP WHERE submitted_at IS NULL;
ALTER TABLE scores ALTER COLUMN updated_at SET NOT NULL;
ALTER TABLE ledger ALTER COLUMN submitted_at SET NOT NULL;

DROP INDEX idx_scores_score_desc;
CREATE INDEX idx_scores_score_desc ON scores (score DESC, updated_at, user_id);

-- A score that never falls is what lets a stale tenth score err on the safe side (see 0004).
ALTER TABLE actions ADD CONSTRAINT actions_points_positive CHECK (points > 0);
