"""What differs between PostgreSQL and SQLite. Only this package and `database.locks` ask which one it is."""
