-- The schema of the seed document as it stands (stray commas aside): tables, columns, constraints and
-- indexes under the seed's names. What it repeats or lacks is mended by the migrations that follow.

CREATE TABLE users (
    user_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    username VARCHAR(50) UNIQUE NOT NULL,
    email VARCHAR(255) UNIQUE NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    created_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE scores (
    user_id UUID PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
    score INTEGER NOT NULL DEFAULT 0,
    updated_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE actions (
    action_id VARCHAR(100) PRIMARY KEY,
    points INTEGER NOT NULL,
    created_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE ledger (
    ledger_id BIGSERIAL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    action_id VARCHAR(100) NOT NULL REFERENCES actions (action_id) ON DELETE RESTRICT,
    points_granted INTEGER NOT NULL,
    submitted_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT unique_user_action UNIQUE (user_id, action_id)
);

CREATE INDEX idx_users_email ON users (email);
CREATE INDEX idx_users_username ON users (username);
CREATE INDEX idx_scores_score_desc ON scores (score DESC);
CREATE INDEX idx_ledger_user_id ON ledger (user_id);
CREATE INDEX idx_ledger_action_id ON ledger (action_id);
CREATE INDEX idx_ledger_user_action ON ledger (user_id, action_id);
