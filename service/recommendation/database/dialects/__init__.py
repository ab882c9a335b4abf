"""What differs between PostgreSQL and SQLite. Statements that only PostgreSQL has stand beside their concept."""
