DROP TABLE preparations;
DROP TABLE board_actions;
DROP TABLE season_entries;
ALTER TABLE boards DROP CONSTRAINT boards_season;
DROP TABLE seasons;
ALTER TABLE boards DETACH PARTITION board;
DROP TABLE boards;
ALTER TABLE board
    DROP CONSTRAINT boards_direction,
    DROP CONSTRAINT boards_operator,
    DROP CONSTRAINT boards_seconds,
    DROP COLUMN board_id,
    DROP COLUMN title,
    DROP COLUMN direction,
    DROP COLUMN operator,
    DROP COLUMN counts,
    DROP COLUMN size,
    DROP COLUMN period,
    DROP COLUMN zone,
    DROP COLUMN grace_seconds,
    DROP COLUMN visibility,
    DROP COLUMN keep_full_seconds,
    DROP COLUMN created_at,
    DROP COLUMN defined_at,
    DROP COLUMN closed_at,
    DROP COLUMN season_id,
    DROP COLUMN written_until,
    ALTER COLUMN tenth_score TYPE INTEGER;
