"""A training that is spread over processes: real ones, which are killed in the middle of it. The bits stay the same."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import ssl
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from processes import forks_as_it_is_now, free_port
from shops import Shop
from spread_processes import GO, Aside, Worker, make_certificates
from sqlalchemy import create_engine, delete, select, text

from recommendation.clock import SteadyClock
from recommendation.database.dialects.connections import driver_url
from recommendation.database.tables import live_model, user_game_interactions
from recommendation.engine import artifact
from recommendation.engine.settings import EngineSettings
from recommendation.errors import SettingsError, WorkLost
from recommendation.settings import Settings, load_settings
from recommendation.training import models, runs
from recommendation.training.train import Outcome, train
from recommendation_jobs import exits
from recommendation_jobs import train as train_job
from recommendation_jobs.spread.children import child
from recommendation_jobs.spread.driver import Driver, wait_for_workers
from recommendation_jobs.spread.scheduler import READY
from recommendation_jobs.spread.supervisor import has_worked
from stores import random_store

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.xdist_group("spread"),  # what the fixtures of the module cost is paid once
]

ENGINE = EngineSettings(8, 2, weighting="log", recency=0.0, ridge=10.0, link_share=1.0, neighbours=20, trend=0.0)
PARTS = 6
FACTORS = "recommendation.engine.decomposition:product"
LINKS = "recommendation.engine.strongest:add_to_block"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@dataclass(frozen=True)
class Filled:
    """A database with pairs, of which tests take copies, and a model that one process made of them."""

    url: str
    digest: str


@pytest.fixture(scope="module")
def filled(postgres_server: str, postgres_template: str, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    name = f"spread_{os.getpid()}"
    engine = create_engine(driver_url(postgres_server), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {postgres_template}"))
    engine.dispose()
    url = driver_url(postgres_server).set(drivername="postgresql", database=name)
    settings = Settings(
        database_url=url.render_as_string(hide_password=False),
        model_path=tmp_path_factory.mktemp("here") / "cf.pkl",
        training_partitioned_from=0,
        training_partitions=PARTS,
        engine=ENGINE,
    )
    shop = Shop(settings)
    shop.fill(random_store(7, users=600, games=60, density=0.2))
    digest = digest_of(shop, shop.train())
    shop.database.close()
    return Filled(settings.database_url, digest)


def digest_of(shop: Shop, outcome: Outcome) -> str:
    """SHA-256 of a model that went live, but for what tells one training from another."""
    assert outcome.state == "succeeded", outcome.detail
    with shop.database.reading() as connection:
        data = models.artifact(connection, str(outcome.model_version))
    model, _ = artifact.load(data, artifact.digest(data), len(data))
    return hashlib.sha256(artifact.dump(model, {})).hexdigest()


class Spread:
    """A shop whose trainings are done by workers."""

    def __init__(self, url: str, folder: Path, certificates: Path) -> None:
        self.folder = folder
        self.variables = {
            "RECOMMENDATION_DATABASE_URL": url,
            "RECOMMENDATION_MODEL_PATH": str(folder / "cf.pkl"),
            "RECOMMENDATION_TRAINING_ENGINE": "dask",
            "RECOMMENDATION_TRAINING_SCHEDULER": f"127.0.0.1:{free_port()}",
            "RECOMMENDATION_TRAINING_WORKER_PORT": "0",
            "RECOMMENDATION_TRAINING_TLS": str(certificates),
            "RECOMMENDATION_TRAINING_PARTITIONED_FROM": "0",
            "RECOMMENDATION_TRAINING_PARTITIONS": str(PARTS),
            "RECOMMENDATION_TRAINING_WORKERS": "1",
        }
        self.shop = Shop(replace(load_settings(self.variables), engine=ENGINE))
        self.workers: list[Worker] = []

    def start(self, waits_at: str = "") -> Worker:
        """Start a worker."""
        self.workers.append(Worker(self.variables, self.folder, waits_at))
        return self.workers[-1]

    def train(self, workers: int = 1) -> Outcome:
        """Train with so many workers that were started."""
        settings = replace(self.shop.settings, training_workers=workers)
        with Driver(settings) as driver:
            return train(self.shop.database, settings, SteadyClock(), None, lambda _: None, None, None, driver)

    def lose_rows(self) -> None:
        """Delete some users' pairs, and let the server forget them as far as it may."""
        with self.shop.database.writing() as connection:
            connection.execute(delete(user_game_interactions).where(user_game_interactions.c.user_id < "u0100"))
        engine = create_engine(driver_url(self.shop.settings.database_url), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("VACUUM user_game_interactions"))
        engine.dispose()

    def fence(self) -> int:
        """The fence that was taken last."""
        with self.shop.database.reading() as connection:
            return int(connection.execute(select(live_model.c.training_fence)).scalar_one() or 0)


@pytest.fixture
def spread(
    filled: Filled,
    certificates: Path,
    copied: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Spread]:
    made = Spread(copied(filled.url), tmp_path, certificates)
    forks_as_it_is_now()
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)  # the scheduler is a child of this process
    yield made
    for worker in made.workers:
        worker.kill()
    made.shop.database.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_make_the_bits_of_one_process(spread: Spread, filled: Filled, workers: int) -> None:
    for _ in range(workers):
        spread.start()
    outcome = spread.train(workers)
    assert outcome.model_version == "v2"  # beside the one that the store came with
    assert digest_of(spread.shop, outcome) == filled.digest
    assert [has_worked(int(worker.ends() or 0)) for worker in spread.workers] == [True] * workers


@pytest.mark.parametrize("is_replaced", [True, False], ids=["replaced", "not replaced"])
@pytest.mark.parametrize("waits_at", [FACTORS, LINKS], ids=["in the factors", "in the links"])
def test_a_worker_is_killed_and_rows_are_gone_meanwhile_and_the_bits_are_the_same(
    spread: Spread, filled: Filled, waits_at: str, is_replaced: bool
) -> None:
    doomed, other = spread.start(waits_at), spread.start()

    def kill_it() -> None:
        spread.lose_rows()
        doomed.kill()
        if is_replaced:
            spread.start()

    with Aside(lambda: doomed.waits, kill_it) as aside:
        outcome = spread.train(2)
    aside.check()
    assert digest_of(spread.shop, outcome) == filled.digest
    assert other.ends() == exits.DONE
    # The rows are gone indeed: what reads now makes another model.
    assert digest_of(spread.shop, spread.shop.train()) != filled.digest


def test_the_scheduler_is_killed_and_nothing_goes_live_and_the_next_training_takes_a_new_fence(spread: Spread) -> None:
    worker = spread.start(FACTORS)

    def kill_it() -> None:
        the_scheduler().kill()
        (spread.folder / GO).touch()

    with Aside(lambda: worker.waits, kill_it) as aside:
        outcome = spread.train()
    aside.check()
    assert (outcome.state, outcome.reason) == ("failed", runs.LOST)
    assert has_worked(int(worker.ends() or 0))
    with spread.shop.database.reading() as connection:
        assert models.live_version(connection) == "v1"
        assert runs.active_run(connection) is None
    fence = spread.fence()
    assert spread.shop.train().model_version == "v2"
    assert spread.fence() > fence


def the_scheduler() -> psutil.Process:
    (found,) = (process for process in psutil.Process().children() if "scheduler" in process.cmdline())
    return found


def test_no_worker_comes_and_no_retry_is_asked_for(spread: Spread, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(spread.shop.settings, training_workers_wait_seconds=1)
    monkeypatch.delenv(train_job.INDEX, raising=False)
    options = Namespace(run=None, accept=None, regenerate=True)
    assert train_job.run(options, settings, spread.shop.database) == exits.DO_NOT_TRY_AGAIN
    with spread.shop.database.reading() as connection:
        (run,) = runs.list_runs(connection, "failed", 1)
        assert models.live_version(connection) == "v1"
    assert run.reason == "no_workers"
    assert "no worker came within 1 s" in str(run.detail)


def test_fewer_workers_than_wanted_are_enough(caplog: pytest.LogCaptureFixture) -> None:
    class OneOfTwo:
        def wait_for_workers(self, count: int, timeout: float) -> None:
            raise TimeoutError

        def run(self, function: Callable[[], bool], on_error: str) -> dict[str, bool]:
            return {"tls://10.0.0.1:8788": function()}

    wait_for_workers(OneOfTwo(), Settings(training_workers=2))
    assert "1 of 2 workers came within 300 s; the training goes on with them" in caplog.text


def test_a_training_that_lost_its_scheduler_is_worth_another_try(spread: Spread) -> None:
    class Lost:
        def gather(self) -> None:
            raise WorkLost("gone")

    outcome = train(
        spread.shop.database,
        spread.shop.settings,
        SteadyClock(),
        None,
        lambda _: None,
        None,
        None,
        Lost(),  # type: ignore[arg-type]
    )
    assert train_job.exit_code_of(outcome) == exits.TRY_AGAIN


def test_who_has_no_certificate_of_the_authority_is_refused(spread: Spread, tmp_path: Path) -> None:
    others = make_certificates(tmp_path, "others")
    port = int(spread.variables["RECOMMENDATION_TRAINING_SCHEDULER"].rpartition(":")[2])
    with child("scheduler") as scheduler:
        assert scheduler.stdout
        assert scheduler.stdout.readline().strip() == READY
        assert is_greeted(port, Path(spread.variables["RECOMMENDATION_TRAINING_TLS"]))
        assert not is_greeted(port, others)
        assert not is_greeted(port, None)
        with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert ended(plain)


def is_greeted(port: int, certificates: Path | None) -> bool:
    """Whether a scheduler goes on to speak with who has these certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificates is not None:
        context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        try:
            with context.wrap_socket(plain) as encrypted:
                return not ended(encrypted)
        except ssl.SSLError:
            return False


def ended(connection: socket.socket) -> bool:
    """Whether the other side ends a connection before it says anything of use."""
    try:
        return not connection.recv(64)
    except (ConnectionError, ssl.SSLError):
        return True


def test_ports_of_pages_are_for_this_host_alone(spread: Spread) -> None:
    worker = spread.start()
    with Driver(spread.shop.settings) as driver:
        driver.gather()
        listening = [
            connection
            for process in (psutil.Process(worker.process.pid), the_scheduler())
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert len(listening) >= 4  # each of both for work and, unasked, for pages
        # Others reach the port by which a worker takes calls and parts, and no other.
        assert len({one.laddr.port for one in listening if one.laddr.ip != "127.0.0.1"}) == 1


def test_a_supervisor_goes_from_training_to_training_and_ends_only_when_told(spread: Spread) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "recommendation_jobs", "train"], env=os.environ | {train_job.INDEX: "1"}
    )
    try:
        for _ in range(2):  # the scheduler goes, and comes back
            with Driver(spread.shop.settings) as driver:
                driver.gather()
            assert supervisor.poll() is None
        (worker,) = psutil.Process(supervisor.pid).children()
        supervisor.terminate()
        assert supervisor.wait(60) == 128 + signal.SIGTERM
        assert not worker.is_running()
    finally:
        supervisor.kill()
        supervisor.wait()


def test_a_worker_that_no_training_takes_says_so(spread: Spread) -> None:
    code = Worker(spread.variables, spread.folder, joins_within=0.5).ends()
    assert code == exits.TRY_AGAIN
    assert not has_worked(code)


def test_nothing_starts_without_certificates(spread: Spread, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no ca\.crt"):
        Driver(replace(spread.shop.settings, training_tls=tmp_path))
    with pytest.raises(SettingsError, match="RECOMMENDATION_TRAINING_TLS: is not set"):
        replace(spread.shop.settings, training_tls=None)
    with pytest.raises(SettingsError, match="RECOMMENDATION_TRAINING_ENGINE: dask reads from PostgreSQL"):
        replace(spread.shop.settings, database_url="sqlite:///app.db")
