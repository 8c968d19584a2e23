-- Refresh tokens. A family is one log-in; its tokens replace each other, one use each, and only their
-- SHA-256 is kept. Reuse of a replaced token, past a short grace, revokes the family. A successor is
-- derived from the token it replaces, so its hash is enough to find it again for a second tab.
-- Usernames differ by more than case, so that nobody can pass for somebody else.
-- depends: 0004.board-version

CREATE UNIQUE INDEX idx_users_username_lower ON users (lower(username));

CREATE TABLE refresh_families (
    family_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    revoked_at TIMESTAMPTZ
);

CREATE TABLE refresh_tokens (
    token_hash BYTEA PRIMARY KEY,
    family_id UUID NOT NULL REFERENCES refresh_families (family_id) ON DELETE CASCADE,
    issued_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    expires_at TIMESTAMPTZ NOT NULL,
    replaced_at TIMESTAMPTZ,
    successor_hash BYTEA,
    CONSTRAINT replaced_by_a_successor CHECK ((replaced_at IS NULL) = (successor_hash IS NULL))
);

CREATE INDEX idx_refresh_families_user_id ON refresh_families (user_id);
CREATE INDEX idx_refresh_tokens_family_id ON refresh_tokens (family_id);
CREATE INDEX idx_refresh_tokens_expires_at ON refresh_tokens (expires_at);
