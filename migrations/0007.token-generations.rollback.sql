DROP TRIGGER users_deleted ON users;
DROP FUNCTION revoke_access_of_deleted_users();
DROP FUNCTION revoke_access(UUID, BOOLEAN);
DROP TABLE revocations;
DROP TABLE revocation_clock;
DROP TABLE refresh_handles;
ALTER TABLE refresh_tokens
    DROP COLUMN graces,
    DROP COLUMN graced_at,
    DROP COLUMN predecessor_hash;
