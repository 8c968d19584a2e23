-- A version is a number that JavaScript holds exactly, or clients refuse it for ever: 0 to 2^53 - 1. One that is
-- beyond (an earlier version could be made to take one from Redis) comes down to what play could have reached: a
-- change of the board takes a row of the ledger at least. Clients never took it, so they have nothing to forget.
-- depends: 0005.accounts

UPDATE board
SET version = (SELECT coalesce(max(ledger_id), 0) + 1 FROM ledger), changed_at = clock_timestamp()
WHERE version NOT BETWEEN 0 AND 9007199254740991;

ALTER TABLE board ADD CONSTRAINT board_version_is_exact CHECK (version BETWEEN 0 AND 9007199254740991);
