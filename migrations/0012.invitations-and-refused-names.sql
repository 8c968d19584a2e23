-- Who may register, and under which name.
--
-- An invitation lets one person register. Of its code only a hash is kept.
--
-- A refused name is a pattern: the key of a name, with * for anything. Every instance holds all of them in memory.
-- held_lists says when such a list changed last, so that an instance that asks once a second for what is new reads a
-- list again only when it has changed. A reading is that of the time of day in milliseconds, and never goes back
-- while the row is there. Whoever changes a list holds the row until the commit: so its readings follow the order of
-- commits.
-- depends: 0011.ledger-by-time

CREATE TABLE invitations (
    invitation_id BIGSERIAL PRIMARY KEY,
    code_hash BYTEA NOT NULL UNIQUE,
    note VARCHAR(200) NOT NULL DEFAULT '',
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ,
    used_at TIMESTAMPTZ,
    user_id UUID REFERENCES users (user_id) ON DELETE SET NULL
);

CREATE INDEX idx_invitations_user_id ON invitations (user_id);

CREATE TABLE refused_names (
    pattern VARCHAR(100) PRIMARY KEY,
    note VARCHAR(200) NOT NULL DEFAULT '',
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE held_lists (
    list VARCHAR(50) PRIMARY KEY,
    reading BIGINT NOT NULL
);

INSERT INTO held_lists (list, reading) VALUES ('refused_names', 0);

CREATE FUNCTION note_changed_list() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO held_lists AS present (list, reading)
    VALUES (TG_TABLE_NAME, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    ON CONFLICT (list) DO UPDATE SET reading = greatest(present.reading + 1, excluded.reading);
    RETURN NULL;
END
$$;

CREATE TRIGGER refused_names_changed
AFTER INSERT OR UPDATE OR DELETE ON refused_names
FOR EACH STATEMENT EXECUTE FUNCTION note_changed_list();
