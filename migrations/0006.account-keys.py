"""What users are found by: the key of a user name, and one form of an e-mail address.

Both are computed here, in Python, and not by PostgreSQL: its lower() knows other letters under
another locale, and under C none but those of ASCII (docs/decisions/0022-names-and-keys.md).

- `users.username_key` is the same for all spellings of a name. It is NULL for a user whom an older
  version registers beside this one. This version gives such a user a key when it meets one.
- `users.email` holds the form that is looked for, as it always did. `users.email_given` holds the
  address as its owner wrote it.

Where several users have one name in several spellings, the one who registered first gets the key.
Each of the others gets a key of their own, which no name has. So nobody is lost, because everybody
is found by their own spelling first. `scoreboard migrate` names them.

Nobody is held up. The columns are added in an instant, the indexes are built while others write,
and rows are changed a thousand at a time. So this is no single transaction, and a run that was
ended halfway is made good by the next one.
"""

import psycopg2
from psycopg2.extras import execute_values
from yoyo import step

from scoreboard.accounts.names import EMAIL_CHARS_MAX, email_key, own_key, username_key
from scoreboard.connections.blocking import MigrationError

__depends__ = {"0005.accounts"}
__transactional__ = False

COLUMNS = """
ALTER TABLE users
ADD COLUMN IF NOT EXISTS username_key TEXT COLLATE "C",
ADD COLUMN IF NOT EXISTS email_given VARCHAR(255)
"""  # guard: names-run-gives
# Partial, because an index that a foreign key could refer to makes each change of a key wait for
# the grants of its user.
UNIQUE_KEYS = """
CREATE UNIQUE INDEX CONCURRENTLY idx_users_username_key ON users (username_key)
WHERE username_key IS NOT NULL
"""
WITHOUT_KEY = """
CREATE INDEX CONCURRENTLY idx_users_without_key ON users (created_at, user_id)
WHERE username_key IS NULL
"""
# The catalogue has one order too, whatever the locale.
ORDER = 'CREATE INDEX CONCURRENTLY idx_actions_in_order ON actions (action_id COLLATE "C")'

BATCH = 1000
# Rows that somebody holds are waited for as long as `lock_timeout` says (2 s), and so many times.
TRIES = 30

READ = """
SELECT user_id::text, username, email, created_at
FROM users
WHERE username_key IS NULL AND {}
ORDER BY created_at, user_id
LIMIT %(limit)s
FOR NO KEY UPDATE
"""
TAKEN = """
SELECT username_key FROM users WHERE username_key = ANY (%(keys)s)
UNION ALL
SELECT email FROM users WHERE email = ANY (%(emails)s)
"""
WRITE = """
UPDATE users
SET
    username_key = given.username_key,
    email = coalesce(given.email, users.email),
    email_given = CASE WHEN given.email IS NOT NULL THEN users.email END
FROM (VALUES %s) AS given (user_id, username_key, email)
WHERE users.user_id = given.user_id::uuid
"""


def give_keys(connection):
    """Give a key to each user who has none, from who registered first to who did last."""
    after = None
    while True:
        rows = give_some(connection, after)
        if not rows and after is None:
            return
        # Not from the beginning each time, because the index still holds those who have a key now.
        # At the end once more from there: users without a time, and those who came meanwhile.
        after = rows[-1] if rows and rows[-1][3] else None


def give_some(connection, after):
    """Give keys to the next users after this one, in one transaction; return their rows."""
    for _ in range(TRIES):
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                rows = read(cursor, after)
                write(cursor, rows)
                cursor.execute("COMMIT")
            except (
                psycopg2.errors.UniqueViolation,  # an older version has just registered that name
                psycopg2.errors.LockNotAvailable,
                psycopg2.errors.DeadlockDetected,
            ):
                cursor.execute("ROLLBACK")
            else:
                return rows
    raise MigrationError(
        "Somebody has held rows of users for a minute. The users before these have their keys: run "
        "it again when that one is through."
    )


def read(cursor, after):
    """Read and lock the next users."""
    where = "TRUE" if after is None else "(created_at, user_id) > (%(created_at)s, %(user_id)s)"
    bounds = {} if after is None else {"created_at": after[3], "user_id": after[0]}
    cursor.execute(READ.format(where), {"limit": BATCH, **bounds})
    return cursor.fetchall()


def is_free(address, taken):
    """Whether an address can be kept in this form: it is nobody's, and fits the column."""
    return address not in taken and len(address) <= EMAIL_CHARS_MAX


def write(cursor, rows):
    """Write keys. A key, and a form of an address, goes to the first user who wants it."""
    if not rows:
        return
    keys = {user_id: username_key(username) for user_id, username, *_ in rows}
    emails = {user_id: email_key(email) for user_id, _, email, _ in rows}
    cursor.execute(TAKEN, {"keys": list(keys.values()), "emails": list(emails.values())})
    taken = {found for (found,) in cursor.fetchall()} | {""}
    given = []
    for user_id, _, email, _ in rows:
        key, address = keys[user_id], emails[user_id]
        given.append(
            (
                user_id,
                own_key(key, user_id) if key in taken else key,  # guard: names-registered-first
                address if address != email and is_free(address, taken) else None,
            )
        )
        taken |= {key, address}
    execute_values(cursor, WRITE, given, "(%s, %s, %s)", page_size=BATCH)


step(COLUMNS, "ALTER TABLE users DROP COLUMN email_given, DROP COLUMN username_key")
# An index that is built while others write waits for older transactions, a backup's for example.
# Nobody waits for it, so it may wait. What an ended run left half built is dropped.
step("SET lock_timeout = 0")
step("DROP INDEX CONCURRENTLY IF EXISTS idx_users_username_key")
step(UNIQUE_KEYS)
step("DROP INDEX CONCURRENTLY IF EXISTS idx_users_without_key")
step(WITHOUT_KEY)
step("DROP INDEX CONCURRENTLY IF EXISTS idx_actions_in_order")
step(ORDER, "DROP INDEX idx_actions_in_order")
step("RESET lock_timeout")
step(give_keys)
