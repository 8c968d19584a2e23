-- Everybody's place: what moves in a ranking, so that counts of it can be kept in memory.
--
-- An instance keeps every thousandth key of a ranking and how many entries lie between two of them. It follows the
-- ranking by `movements`: triggers write down the keys that each statement removed and added, whoever ran it. What a
-- snapshot sees of `movements` is what it sees of the entries, so an instance that asks by snapshots misses nothing.
-- depends: 0015.visible-ranking

-- Who writes to these later in one transaction holds them in this order; so do we.
LOCK TABLE scores, season_entries IN SHARE ROW EXCLUSIVE MODE;

-- 32 bytes that compare as the ranking does: the score with all bits turned, the moment in microseconds since 2000, the
-- user. (The first bit of each number is turned as well, because bytes have no sign.) `scoreboard.ranks.keys` reads
-- them.
CREATE FUNCTION ranking_key(score BIGINT, reached_at TIMESTAMPTZ, user_id UUID) RETURNS BYTEA
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT int8send(~score # (-9223372036854775808))
        || set_byte(timestamptz_send(reached_at), 0, get_byte(timestamptz_send(reached_at), 0) # 128)
        || uuid_send(user_id)
$$;

-- Keys, one after the other; those of hidden entries are no part of it. `ranking_id` is that of a season, and 0 for
-- `main`, whose entries are `scores`. A row without keys says that the ranking is not what it was: who keeps counts of it
-- counts anew. One statement that moves more than 200,000 entries says so, as its keys would be long, and 1 GB is the
-- end. Rows are removed once every instance has had a quarter of an hour to see them, by `xid`.
CREATE TABLE movements (
    xid XID8 NOT NULL DEFAULT pg_current_xact_id(),
    ranking_id INTEGER NOT NULL,
    removed BYTEA,
    added BYTEA
);

ALTER TABLE movements
    ALTER COLUMN removed SET STORAGE EXTERNAL,
    ALTER COLUMN added SET STORAGE EXTERNAL;
CREATE INDEX idx_movements_xid ON movements (ranking_id, xid);

-- Below which xid rows of `movements` were removed: an instance whose snapshot is older has missed some. In another
-- cluster, where a backup was made, xids say nothing: all rows are removed before anything is counted by them. One
-- instance at a time does so, and keeps `fences`: its name, and when it was last seen.
CREATE TABLE movements_removed (
    singleton BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (singleton),
    below XID8 NOT NULL DEFAULT '0',
    system_identifier BIGINT NOT NULL,
    keeper VARCHAR(200) NOT NULL DEFAULT '',
    kept_at TIMESTAMPTZ NOT NULL DEFAULT '-infinity'
);

INSERT INTO movements_removed (system_identifier) SELECT system_identifier FROM pg_control_system();

-- What an instance kept of a long ranking, as of a snapshot: the next one that begins need not count it. `keys` are the
-- first keys of its parts but for the first part, `counts` how many entries each part has, in 4 bytes each, high byte
-- first. It is right together with the movements since, so it goes when those are removed. Of another cluster, where a
-- backup was made, it says nothing.
CREATE TABLE fences (
    ranking_id INTEGER PRIMARY KEY,
    system_identifier BIGINT NOT NULL,
    snapshot PG_SNAPSHOT NOT NULL,
    keys BYTEA NOT NULL,
    counts BYTEA NOT NULL
);

ALTER TABLE fences
    ALTER COLUMN keys SET STORAGE EXTERNAL,
    ALTER COLUMN counts SET STORAGE EXTERNAL;

-- A grant also makes statements that touch nothing: these cost the look at `moved` alone. More keys than so many are not
-- written down, as they would be counted no faster than the entries; and 33 million would not fit into one value.
CREATE FUNCTION note_moves_of_main() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    moved INTEGER;
BEGIN
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        SELECT count(*) INTO moved FROM (SELECT FROM rows_after LIMIT 200001) AS counted;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT count(*) INTO moved FROM (SELECT FROM rows_before LIMIT 200001) AS counted;
    END IF;
    IF moved = 0 THEN
        RETURN NULL;
    END IF;
    IF moved > 200000 OR TG_OP = 'TRUNCATE' THEN
        INSERT INTO movements (ranking_id) VALUES (0);
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO movements (ranking_id, added)
        SELECT 0, string_agg(ranking_key(score, updated_at, user_id), '')
        FROM rows_after
        WHERE NOT hidden
        HAVING count(*) > 0;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO movements (ranking_id, removed)
        SELECT 0, string_agg(ranking_key(score, updated_at, user_id), '')
        FROM rows_before
        WHERE NOT hidden
        HAVING count(*) > 0;
    ELSE
        INSERT INTO movements (ranking_id, removed, added)
        SELECT 0, before.removed, after.added
        FROM (
            SELECT string_agg(ranking_key(score, updated_at, user_id), '') AS removed
            FROM rows_before
            WHERE NOT hidden
        ) AS before
        CROSS JOIN (
            SELECT string_agg(ranking_key(score, updated_at, user_id), '') AS added
            FROM rows_after
            WHERE NOT hidden
        ) AS after
        WHERE before.removed IS DISTINCT FROM after.added;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER scores_added AFTER INSERT ON scores
REFERENCING NEW TABLE AS rows_after
FOR EACH STATEMENT EXECUTE FUNCTION note_moves_of_main();

CREATE TRIGGER scores_changed AFTER UPDATE ON scores
REFERENCING OLD TABLE AS rows_before NEW TABLE AS rows_after
FOR EACH STATEMENT EXECUTE FUNCTION note_moves_of_main();

CREATE TRIGGER scores_removed AFTER DELETE ON scores
REFERENCING OLD TABLE AS rows_before
FOR EACH STATEMENT EXECUTE FUNCTION note_moves_of_main();

CREATE TRIGGER scores_emptied AFTER TRUNCATE ON scores
FOR EACH STATEMENT EXECUTE FUNCTION note_moves_of_main();

CREATE FUNCTION note_moves_of_seasons() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    moved INTEGER;
BEGIN
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        SELECT count(*) INTO moved FROM (SELECT FROM rows_after LIMIT 200001) AS counted;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT count(*) INTO moved FROM (SELECT FROM rows_before LIMIT 200001) AS counted;
    END IF;
    IF moved = 0 THEN
        RETURN NULL;
    END IF;
    IF moved > 200000 OR TG_OP = 'TRUNCATE' THEN
        INSERT INTO movements (ranking_id) SELECT season_id FROM seasons;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO movements (ranking_id, added)
        SELECT season_id, string_agg(ranking_key(score, updated_at, user_id), '')
        FROM rows_after
        WHERE NOT hidden
        GROUP BY season_id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO movements (ranking_id, removed)
        SELECT season_id, string_agg(ranking_key(score, updated_at, user_id), '')
        FROM rows_before
        WHERE NOT hidden
        GROUP BY season_id;
    ELSE
        INSERT INTO movements (ranking_id, removed, added)
        SELECT season_id, before.removed, after.added
        FROM (
            SELECT season_id, string_agg(ranking_key(score, updated_at, user_id), '') AS removed
            FROM rows_before
            WHERE NOT hidden
            GROUP BY season_id
        ) AS before
        FULL JOIN (
            SELECT season_id, string_agg(ranking_key(score, updated_at, user_id), '') AS added
            FROM rows_after
            WHERE NOT hidden
            GROUP BY season_id
        ) AS after USING (season_id)
        WHERE before.removed IS DISTINCT FROM after.added;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER season_entries_added AFTER INSERT ON season_entries
REFERENCING NEW TABLE AS rows_after
FOR EACH STATEMENT EXECUTE FUNCTION note_moves_of_seasons();

CREATE TRIGGER season_entries_changed AFTER UPDATE ON season_entries
REFERENCING OLD TABLE AS rows_before NEW TABLE AS rows_after
FOR EACH STATEMENT EXECUTE FUNCTION note_moves_of_seasons();

CREATE TRIGGER season_entries_removed AFTER DELETE ON season_entries
REFERENCING OLD TABLE AS rows_before
FOR EACH STATEMENT EXECUTE FUNCTION note_moves_of_seasons();

CREATE TRIGGER season_entries_emptied AFTER TRUNCATE ON season_entries
FOR EACH STATEMENT EXECUTE FUNCTION note_moves_of_seasons();

-- Also where `session_replication_role` switches triggers off for a session.
ALTER TABLE scores
    ENABLE ALWAYS TRIGGER scores_added,
    ENABLE ALWAYS TRIGGER scores_changed,
    ENABLE ALWAYS TRIGGER scores_removed,
    ENABLE ALWAYS TRIGGER scores_emptied;
ALTER TABLE season_entries
    ENABLE ALWAYS TRIGGER season_entries_added,
    ENABLE ALWAYS TRIGGER season_entries_changed,
    ENABLE ALWAYS TRIGGER season_entries_removed,
    ENABLE ALWAYS TRIGGER season_entries_emptied;

-- Whom a user follows: friends, of whom a page shows where they stand.
CREATE TABLE follows (
    user_id UUID NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    followed_id UUID NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    followed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, followed_id),
    CONSTRAINT follows_somebody_else CHECK (user_id <> followed_id)
);

CREATE INDEX idx_follows_followed_id ON follows (followed_id);
