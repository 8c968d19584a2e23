"""The schema: its migrations, and which schema of a database is ours."""
