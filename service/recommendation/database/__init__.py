"""PostgreSQL and SQLite, the ground floor: connections, tables, locks, retried requests. It knows no shop."""
