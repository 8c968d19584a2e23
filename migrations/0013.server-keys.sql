-- Server keys: what a game server or a back office signs its requests with.
--
-- A secret is sealed under keys that follow from the secret of access tokens, which PostgreSQL does not have: a copy of
-- the database signs nothing. A key has two secrets while it is rotated. It is revoked, never deleted, because what it
-- wrote goes on to name it; its secrets are wiped then. Every instance holds the keys in memory (held_lists).
-- depends: 0012.invitations-and-refused-names

CREATE TABLE server_keys (
    key_id VARCHAR(50) PRIMARY KEY,
    source VARCHAR(50) NOT NULL,
    title VARCHAR(100) NOT NULL,
    scopes TEXT[] NOT NULL,
    -- The boards that it may touch; null: all of them, also those that are still to come.
    board_ids TEXT[],
    rate VARCHAR(30) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    secret BYTEA,
    previous_secret BYTEA,
    previous_until TIMESTAMPTZ,
    CONSTRAINT server_keys_rate CHECK (rate ~ '^[1-9][0-9]{0,8}/(second|minute|hour)$'),
    CONSTRAINT server_keys_secret CHECK ((revoked_at IS NULL) = (secret IS NOT NULL)),
    CONSTRAINT server_keys_previous CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);

INSERT INTO held_lists (list, reading) VALUES ('server_keys', 0);

CREATE TRIGGER server_keys_changed
AFTER INSERT OR UPDATE OR DELETE ON server_keys
FOR EACH STATEMENT EXECUTE FUNCTION note_changed_list();
