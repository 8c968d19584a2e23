DROP TABLE refresh_tokens;
DROP TABLE refresh_families;
DROP INDEX idx_users_username_lower;
