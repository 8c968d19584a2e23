DROP TABLE former_action_ids;
ALTER TABLE actions DROP COLUMN disabled_at;
