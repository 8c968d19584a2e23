-- An action can be switched off, and given another id.
--
-- disabled_at is NULL for an action that is granted. One that is disabled keeps its grants, and the points in them.
--
-- A rename moves the action's ledger rows to the new id, so that nobody is granted the same action a second time.
-- Clients may go on submitting the id that it had before: a former id is granted as the action that has it. No
-- action may be loaded under a former id, which would count beside the one that it belongs to.
-- depends: 0008.exact-version

ALTER TABLE actions ADD COLUMN disabled_at TIMESTAMPTZ;

CREATE TABLE former_action_ids (
    former_id VARCHAR(100) PRIMARY KEY,
    action_id VARCHAR(100) NOT NULL REFERENCES actions (action_id) ON DELETE CASCADE,
    renamed_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX idx_former_action_ids_action_id ON former_action_ids (action_id);
