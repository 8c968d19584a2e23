CREATE INDEX idx_users_email ON users (email);
CREATE INDEX idx_users_username ON users (username);
CREATE INDEX idx_ledger_user_action ON ledger (user_id, action_id);
CREATE INDEX idx_ledger_user_id ON ledger (user_id);
