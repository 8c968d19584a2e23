-- Each of these repeats an index that a UNIQUE constraint already keeps, so it cost every insert a
-- second write and never served a query that the first could not. unique_user_action begins with
-- user_id, so it also finds the ledger rows of one user.
-- depends: 0001.seed-schema

DROP INDEX idx_users_email;
DROP INDEX idx_users_username;
DROP INDEX idx_ledger_user_action;
DROP INDEX idx_ledger_user_id;
