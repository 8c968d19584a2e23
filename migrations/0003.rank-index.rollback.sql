ALTER TABLE actions DROP CONSTRAINT actions_points_positive;
DROP INDEX idx_scores_score_desc;
CREATE INDEX idx_scores_score_desc ON scores (score DESC);
ALTER TABLE ledger ALTER COLUMN submitted_at DROP NOT NULL;
ALTER TABLE scores ALTER COLUMN updated_at DROP NOT NULL;
