CREATE OR REPLACE FUNCTION revoke_access_of_deleted_users() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM revoke_access(user_id, TRUE) FROM deleted_users;
    RETURN NULL;
END
$$;
DROP TRIGGER users_banned ON users;
DROP FUNCTION keep_bans();
DROP TABLE answered_requests;
DROP TABLE bans;
DELETE FROM held_lists WHERE list = 'bans';
DROP INDEX idx_seasons_start;
DROP INDEX idx_seasons_final;
DROP TABLE corrections;
DROP TABLE audit_names;
DROP FUNCTION audit_digest(CHAR(64), audit);
DROP TABLE audit;
DROP FUNCTION audit_chain();
DROP FUNCTION audit_refuse();
DROP TABLE results;
ALTER TABLE boards
    DROP CONSTRAINT boards_values,
    DROP COLUMN falling_at,
    DROP COLUMN value_min,
    DROP COLUMN value_max;
ALTER TABLE season_entries DROP COLUMN hidden;
ALTER TABLE scores DROP COLUMN hidden;
ALTER TABLE users
    DROP COLUMN hidden_at,
    DROP COLUMN banned_at,
    DROP COLUMN erased_at,
    DROP COLUMN source;
ALTER TABLE actions DROP COLUMN claim;
