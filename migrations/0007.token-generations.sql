-- Refresh tokens as generations, and the end of access tokens before their time.
--
-- A family keeps its newest token and the one before, however often it is refreshed. So that an older one is
-- still known for what it is, all tokens of a family begin alike: with a handle, of which the hash is kept. Of a
-- replaced token is written down that it had its one answer (graced_at); of the newest one, how many before it
-- in a row had theirs (graces).
--
-- The clock of revocations never stands still and never goes back. It counts milliseconds, like the time of day,
-- but for the moments in which the time of day is set back. Whoever revokes moves it, and holds its row until the
-- commit: so its readings follow the order of commits. An access token says at which reading it was issued.
-- depends: 0006.account-keys

ALTER TABLE refresh_tokens
    ADD COLUMN predecessor_hash BYTEA,
    ADD COLUMN graced_at TIMESTAMPTZ,
    ADD COLUMN graces SMALLINT NOT NULL DEFAULT 0;

CREATE TABLE refresh_handles (
    handle_hash BYTEA PRIMARY KEY,
    family_id UUID NOT NULL REFERENCES refresh_families (family_id) ON DELETE CASCADE
);

CREATE INDEX idx_refresh_handles_family_id ON refresh_handles (family_id);

CREATE TABLE revocation_clock (
    singleton BOOLEAN PRIMARY KEY DEFAULT TRUE CONSTRAINT revocation_clock_has_one_row CHECK (singleton),
    reading BIGINT NOT NULL
);

INSERT INTO revocation_clock (reading) VALUES (0);

-- No reference to users: what is said of a user here outlives the user.
CREATE TABLE revocations (
    user_id UUID PRIMARY KEY,
    reading BIGINT NOT NULL UNIQUE,
    deleted BOOLEAN NOT NULL
);

-- Ends the access tokens that a user has, for good if the user is deleted; returns the reading.
CREATE FUNCTION revoke_access(whose UUID, is_deleted BOOLEAN) RETURNS BIGINT
LANGUAGE sql AS $$
    UPDATE revocation_clock
    SET reading = greatest(reading + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
    INSERT INTO revocations AS present (user_id, reading, deleted)
    SELECT whose, reading, is_deleted FROM revocation_clock
    ON CONFLICT (user_id) DO UPDATE SET reading = excluded.reading, deleted = excluded.deleted
    RETURNING reading;
$$;

CREATE FUNCTION revoke_access_of_deleted_users() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM revoke_access(user_id, TRUE) FROM deleted_users;
    RETURN NULL;
END
$$;

-- Of the statement and not of each row: the families go first, and the clock is moved last, as everywhere.
CREATE TRIGGER users_deleted
AFTER DELETE ON users REFERENCING OLD TABLE AS deleted_users
FOR EACH STATEMENT EXECUTE FUNCTION revoke_access_of_deleted_users();
