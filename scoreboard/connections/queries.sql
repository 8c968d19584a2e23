-- The statements of sessions themselves.

-- read_settings: sets what the environment can say after us, and reads back what a session does
-- libpq sends PGTZ behind all options, so the time zone is set once more. (The driver sees to DateStyle.)
SET timezone = 'UTC';
SELECT lower(name), setting, coalesce(source, '')
FROM pg_catalog.pg_settings
WHERE lower(name) = ANY (%(names)s)

-- read_server: reads whether this server, its schema and this role are what an instance needs
SELECT
    current_setting('server_version'),
    current_user::text,
    (SELECT count(*) = 1 FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s),
    (SELECT bool_or(has_schema_privilege(oid, 'USAGE')) FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s),
    pg_is_in_recovery(),
    (SELECT source FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only' AND setting = 'on'),
    current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',
    current_setting('max_connections')::integer,
    (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend')

-- read_triggers: reads whether our own trigger is there, and on which of these tables it or a foreign key's is
-- switched off
SELECT
    EXISTS (
        SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = to_regclass('users') AND tgname = 'users_deleted'
    ),
    (
        SELECT coalesce(array_agg(DISTINCT tgrelid::regclass::text ORDER BY tgrelid::regclass::text), '{}')
        FROM pg_catalog.pg_trigger
        WHERE tgrelid IN (SELECT to_regclass(name) FROM unnest(%(relations)s::text[]) AS ours (name))
            AND tgenabled IN ('D', 'R')
            AND (tgisinternal OR tgname = 'users_deleted')
    )

-- read_sequence: reads the last number that the ledger's sequence gave (none if it never gave one), and the highest
-- number that the ledger has
SELECT
    pg_sequence_last_value(to_regclass('ledger_ledger_id_seq')),
    (SELECT coalesce(max(ledger_id), 0) FROM ledger)

-- count_board: counts the rows of a table that always has one
SELECT count(*) FROM board

-- count_revocation_clock: the same
SELECT count(*) FROM revocation_clock

-- read_rights: reads of each table or sequence whether it is there, whether this role has that right on it
-- (on a column of it at least), and whether a policy would hide rows of it
SELECT
    needed.relation,
    needed.privilege,
    pg_class.oid IS NOT NULL,
    CASE
        WHEN pg_class.oid IS NULL THEN FALSE
        WHEN relkind = 'S' THEN has_sequence_privilege(pg_class.oid, needed.privilege)
        WHEN needed.privilege = 'DELETE' THEN has_table_privilege(pg_class.oid, needed.privilege)
        ELSE has_any_column_privilege(pg_class.oid, needed.privilege)
    END,
    pg_class.oid IS NOT NULL AND relkind <> 'S' AND row_security_active(pg_class.oid)
FROM unnest(%(relations)s::text[], %(privileges)s::text[]) AS needed (relation, privilege)
LEFT JOIN pg_catalog.pg_class ON pg_class.oid = to_regclass(needed.relation)
