"""Runs migrations on the database that RECOMMENDATION_DATABASE_URL names, one migrator at a time."""

from alembic import context

from recommendation.database.database import Database
from recommendation.database.locks import migration_lock
from recommendation.database.tables import metadata
from recommendation.settings import load_settings


def run() -> None:
    database = Database(context.config.get_main_option("sqlalchemy.url") or load_settings().database_url)
    with database.engine.connect() as connection, migration_lock(connection):
        context.configure(
            connection=connection,
            target_metadata=metadata,
            transaction_per_migration=True,
            # The table that replaces the sequence on SQLite is not part of the schema that queries use.
            include_name=lambda name, _kind, _parents: name != "counters",
            render_as_batch=connection.dialect.name == "sqlite",
        )
        with context.begin_transaction():
            context.run_migrations()
    database.close()


run()
