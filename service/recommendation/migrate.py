"""
The migrate step: `python -m recommendation.migrate`.

Brings the database to this release's schema, one migrator at a time; a database that is ahead is left as it is. With
`--prove-writable DIR` it also proves that models can be written there. With `--wait SECONDS` it changes nothing and
waits until another process has migrated.
"""

import argparse
import sys
import tempfile
import time
from importlib.metadata import files
from pathlib import Path

from alembic import command
from alembic.config import Config

from recommendation.database.database import Database
from recommendation.database.schema import SchemaState, is_usable, schema_state
from recommendation.errors import RecommendationError, SettingsError, StoreUnavailable
from recommendation.settings import load_settings

_CONNECT_SECONDS = 120


_INI = "alembic.ini"


_PAUSE_SECONDS = 1.0


_EPILOG = """examples:
  recs migrate
  RECOMMENDATION_DATABASE_URL=postgresql://shop@db/shop recs migrate

exit codes:
  0   the schema can be used, also where a later release made it
  1   try again: the database does not answer, or --wait was over
  42  do not try again before a setting is mended"""


def upgrade(database_url: str) -> SchemaState:
    """Bring a database to the newest schema this code knows, and return how it stood before."""
    database = Database(database_url)
    try:
        before = _state(database)
    finally:
        database.close()
    if before in {SchemaState.MISSING, SchemaState.BEHIND}:
        config = Config(str(_ini_path()))
        config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
        command.upgrade(config, "head")
    return before


def wait(database_url: str, seconds: float) -> bool:
    """Wait until the schema can be used; return whether it can. Says what it waits for whenever that changes."""
    deadline = time.monotonic() + seconds
    said = ""
    database = Database(database_url, pool_size=1)
    while True:
        try:
            state = _state(database)
            if is_usable(state):
                return True
            waiting = f"waiting for the migration: the database {state.value}"
        except StoreUnavailable:
            waiting = "waiting for the database: it does not answer"
        if waiting != said:
            print(waiting, flush=True)
            said = waiting
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE_SECONDS)


def prove_writable(folder: Path) -> None:
    """
    Write a file and take it away again.

    Raises:
        SettingsError: it cannot be done.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"models can be written here")
    except OSError as error:
        raise SettingsError(f"RECOMMENDATION_MODEL_PATH: {folder} cannot be written ({error.strerror})") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--wait", type=float, metavar="SECONDS", help="only wait until the schema is there")
    parser.add_argument("--prove-writable", type=Path, metavar="DIR", help="also prove that DIR can be written")


def main(arguments: list[str] | None = None, program: str = "python -m recommendation.migrate") -> int:
    """Run the step; 0 done, 1 try again, 42 do not."""
    parser = argparse.ArgumentParser(
        prog=program, description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        url = load_settings().database_url
        if options.wait is not None:
            return 0 if wait(url, options.wait) else 1
        if options.prove_writable:
            prove_writable(options.prove_writable)
        if not _answers(url):
            print("the database does not answer; try again", file=sys.stderr)
            return 1
        print(f"the database {upgrade(url).value}: now ready")
    except StoreUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    except RecommendationError as error:
        print(error, file=sys.stderr)
        return 42
    return 0


def _answers(url: str) -> bool:
    database = Database(url, pool_size=1)
    deadline = time.monotonic() + _CONNECT_SECONDS
    while True:
        try:
            database.ping()
            return True
        except StoreUnavailable:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE_SECONDS)


def _state(database: Database) -> SchemaState:
    with database.reading() as connection:
        return schema_state(connection)


def _ini_path() -> Path:
    """Find `alembic.ini`: at the root of the checkout, where the wheel put it, or where we stand (the image)."""
    installed = [Path(str(file.locate())) for file in files("recommendation-service") or () if file.name == _INI]
    for path in (Path(__file__).resolve().parents[2] / _INI, *installed, Path.cwd() / _INI):
        if path.is_file():
            return path
    raise SettingsError("alembic.ini is neither in the installation, nor in the checkout, nor in this folder")


if __name__ == "__main__":
    raise SystemExit(main())
