ALTER TABLE board DROP CONSTRAINT board_version_is_exact;
