-- One row that holds the board's version. The transaction that changes the top 10 raises it while it
-- holds the row's lock, so versions follow commit order, which neither a sequence nor a clock would.
-- tenth_score is the score to reach (null while fewer than ten users have one); a submission below it
-- never touches this row, so most of them never wait for each other.
-- depends: 0003.rank-index

CREATE TABLE board (
    singleton BOOLEAN PRIMARY KEY DEFAULT TRUE CONSTRAINT board_has_one_row CHECK (singleton),
    version BIGINT NOT NULL,
    tenth_score INTEGER,
    changed_at TIMESTAMPTZ NOT NULL
);

INSERT INTO board (version, tenth_score, changed_at)
SELECT 1, (SELECT score FROM scores ORDER BY score DESC, updated_at, user_id OFFSET 9 LIMIT 1), CURRENT_TIMESTAMP;
