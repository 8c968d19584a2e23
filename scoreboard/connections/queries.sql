-- The statements of sessions themselves.

-- read_settings: sets what the environment can say after us, and reads back what a session does
-- libpq sends PGTZ behind all options, so the time zone is set once more. (The driver sees to DateStyle.)
SET timezone = 'UTC';
SELECT lower(name), setting, coalesce(source, '')
FROM pg_catalog.pg_settings
WHERE lower(name) = ANY (%(names)s)

-- read_server: reads whether this server, a schema in it and this role are what an instance and `migrate` need; the
-- names of role, schema and database as SQL writes them
SELECT
    current_setting('server_version'),
    quote_ident(current_user),
    quote_ident(%(schema)s),
    quote_ident(current_database()),
    EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s),
    (SELECT bool_or(has_schema_privilege(oid, 'USAGE')) FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s),
    (SELECT bool_or(has_schema_privilege(oid, 'CREATE')) FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s),
    pg_is_in_recovery(),
    (SELECT source FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only' AND setting = 'on'),
    current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',
    current_setting('max_connections')::integer,
    (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend')

-- {note_moves}: the triggers that write down what moves in a ranking, whatever a session is set to
'scores_added', 'scores_changed', 'scores_emptied', 'scores_removed', 'season_entries_added', 'season_entries_changed',
'season_entries_emptied', 'season_entries_removed'

-- {our_triggers}: the triggers that migrations/ makes
'audit_is_chained', 'audit_is_kept', 'bans_changed', 'refused_names_changed', 'server_keys_changed', 'users_banned',
'users_deleted', {note_moves}

-- read_triggers: reads which of our triggers on these tables are gone, on which of these tables one of ours or of a
-- foreign key is switched off, and what mends those that a session may switch off and must not
SELECT
    (
        SELECT coalesce(array_agg(ours.name ORDER BY ours.name), '{}')
        FROM (
            VALUES
                ('audit', 'audit_is_chained'),
                ('audit', 'audit_is_kept'),
                ('bans', 'bans_changed'),
                ('scores', 'scores_added'),
                ('scores', 'scores_changed'),
                ('scores', 'scores_emptied'),
                ('scores', 'scores_removed'),
                ('season_entries', 'season_entries_added'),
                ('season_entries', 'season_entries_changed'),
                ('season_entries', 'season_entries_emptied'),
                ('season_entries', 'season_entries_removed'),
                ('users', 'users_banned'),
                ('users', 'users_deleted'),
                ('refused_names', 'refused_names_changed'),
                ('server_keys', 'server_keys_changed')
        ) AS ours (relation, name)
        WHERE ours.relation = ANY (%(relations)s::text[])
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = to_regclass(ours.relation) AND tgname = ours.name
            )
    ),
    (
        SELECT coalesce(array_agg(DISTINCT tgrelid::regclass::text ORDER BY tgrelid::regclass::text), '{}')
        FROM pg_catalog.pg_trigger
        WHERE tgrelid IN (SELECT to_regclass(name) FROM unnest(%(relations)s::text[]) AS ours (name))
            AND tgenabled IN ('D', 'R')
            AND (tgisinternal OR tgname IN ({our_triggers}))
    ),
    (
        SELECT coalesce(
            array_agg(
                format('ALTER TABLE %%s ENABLE ALWAYS TRIGGER %%I;', tgrelid::regclass, tgname) ORDER BY tgname
            ),
            '{}'
        )
        FROM pg_catalog.pg_trigger
        WHERE tgrelid IN (SELECT to_regclass(name) FROM unnest(%(relations)s::text[]) AS ours (name))
            AND tgenabled = 'O'
            AND tgname IN ({note_moves})
    )

-- read_sequence: reads the last number that the ledger's sequence gave (none if it never gave one), and the highest
-- number that the ledger has
SELECT
    pg_sequence_last_value(to_regclass('ledger_ledger_id_seq')),
    (SELECT coalesce(max(ledger_id), 0) FROM ledger)

-- count_boards: counts the rows of `main`, which is always there
SELECT count(*) FROM boards WHERE board_id = 'main'

-- count_revocation_clock: the same
SELECT count(*) FROM revocation_clock

-- count_movements_removed: the same
SELECT count(*) FROM movements_removed

-- read_turns: counts the boards that run, and reads when the next season is due, what time it is, and which boards have
-- had one that is due for longer than `late`, the longest first
SELECT
    (SELECT count(*) FROM boards WHERE closed_at IS NULL),
    min(due.at) FILTER (WHERE due.at > clock.now),
    clock.now,
    json_agg(json_build_array(due.board_id, due.at) ORDER BY due.at) FILTER (WHERE due.at < clock.now - %(late)s)
FROM (SELECT now() AS now) AS clock
LEFT JOIN (
    SELECT board_id, ends_at AS at FROM seasons WHERE state = 'running'
    UNION ALL
    SELECT board_id, starts_at FROM seasons WHERE state = 'upcoming'
    UNION ALL
    SELECT board_id, closes_at FROM seasons WHERE state = 'ended'
) AS due ON due.at IS NOT NULL
GROUP BY clock.now

-- read_zones: reads the zones in which seasons are written ahead, each with its boards
SELECT zone, array_agg(board_id::text ORDER BY board_id) FROM boards WHERE written_until IS NOT NULL GROUP BY zone

-- read_rights: reads of each table or sequence whether it is there, whether this role has that right on it
-- (on a column of it at least), whether a policy would hide rows of it, and whether it is of another kind
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
    pg_class.oid IS NOT NULL AND relkind IN ('r', 'p') AND row_security_active(pg_class.oid),
    pg_class.oid IS NOT NULL AND relkind NOT IN ('r', 'p', 'S')
FROM unnest(%(relations)s::text[], %(privileges)s::text[]) AS needed (relation, privilege)
LEFT JOIN pg_catalog.pg_class ON pg_class.oid = to_regclass(needed.relation)

-- read_objects: reads what bears one of these names in a schema: its kind, its owner's name as SQL writes it, and
-- whether this role may change it
SELECT
    relname::text,
    replace((pg_identify_object('pg_class'::regclass, pg_class.oid, 0)).type, 'composite ', ''),
    quote_ident(pg_get_userbyid(relowner)),
    pg_has_role(relowner, 'USAGE')
FROM pg_catalog.pg_class
JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = %(schema)s AND relname = ANY (%(names)s)
UNION ALL
SELECT typname::text, 'type', quote_ident(pg_get_userbyid(typowner)), pg_has_role(typowner, 'USAGE')
FROM pg_catalog.pg_type
JOIN pg_catalog.pg_namespace ON pg_namespace.oid = typnamespace
WHERE nspname = %(schema)s AND typname = ANY (%(names)s) AND typrelid = 0
UNION ALL
SELECT proname::text, 'function', quote_ident(pg_get_userbyid(proowner)), pg_has_role(proowner, 'USAGE')
FROM pg_catalog.pg_proc
JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace
WHERE nspname = %(schema)s AND proname = ANY (%(names)s)
ORDER BY 1, 2

-- read_additions: reads what somebody else has put on these tables and that can refuse what we write: triggers, rules,
-- constraints and unique indexes, each as `kind name of table`, with what takes it away
SELECT
    format('trigger %%s of %%s', tgname, tgrelid::regclass),
    format('DROP TRIGGER %%I ON %%s;', tgname, tgrelid::regclass)
FROM pg_catalog.pg_trigger
WHERE tgrelid IN (SELECT to_regclass(name) FROM unnest(%(relations)s::text[]) AS ours (name))
    AND NOT tgisinternal
    AND tgname NOT IN ({our_triggers})
    AND tgenabled NOT IN ('D', 'R')
UNION ALL
SELECT
    format('rule %%s of %%s', rulename, ev_class::regclass),
    format('DROP RULE %%I ON %%s;', rulename, ev_class::regclass)
FROM pg_catalog.pg_rewrite
WHERE ev_class IN (SELECT to_regclass(name) FROM unnest(%(relations)s::text[]) AS ours (name))
    AND rulename <> '_RETURN'
UNION ALL
SELECT
    format('constraint %%s of %%s', conname, conrelid::regclass),
    format('ALTER TABLE %%s DROP CONSTRAINT %%I;', conrelid::regclass, conname)
FROM pg_catalog.pg_constraint
WHERE conrelid IN (SELECT to_regclass(name) FROM unnest(%(relations)s::text[]) AS ours (name))
    AND contype IN ('c', 'f', 'p', 'u', 'x')
    AND conparentid = 0
    AND conname <> ALL (%(constraints)s)
UNION ALL
SELECT
    format('unique index %%s of %%s', indexrelid::regclass, indrelid::regclass),
    format('DROP INDEX %%s;', indexrelid::regclass)
FROM pg_catalog.pg_index
JOIN pg_catalog.pg_class ON pg_class.oid = indexrelid
WHERE indrelid IN (SELECT to_regclass(name) FROM unnest(%(relations)s::text[]) AS ours (name))
    AND indisunique
    AND relname <> ALL (%(constraints)s)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conindid = indexrelid)
ORDER BY 1
