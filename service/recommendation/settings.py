"""Settings of the service and its jobs, read once from the environment and checked before anything starts."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from recommendation.engine.settings import EngineSettings
from recommendation.environment import (
    Environment,
    Setting,
    check_settings,
    choice,
    described,
    flag,
    number,
    path,
    read_settings,
    settings_of,
    whole,
    whole_or_auto,
    without_keys,
)
from recommendation.errors import SettingsError
from recommendation.weights import DEFAULT_OWNING, WEIGHTLESS, Weights, parse_weights

DATABASES = ("postgresql", "postgres", "sqlite")
"""Schemes of `RECOMMENDATION_DATABASE_URL`, before a `+driver`."""


DATABASE_ITSELF, PARQUET = "database", "parquet:"
"""What `RECOMMENDATION_TRAINING_SOURCE` is, or begins with."""


BROKERS = ("kafka", "redis", "rediss")
"""Schemes of `RECOMMENDATION_EVENTS_URL`."""


_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")
"""As browsers write it in `Origin`: lower case, no path."""


_HOST_AND_PORT = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}")


_IMAGE_HOST = re.compile(r"https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


def _event_types(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _weights_text(weights: Weights) -> str:
    return ",".join(f"{name}:{weight}" for name, weight in weights.by_type.items() if name not in WEIGHTLESS)


def _is_host_and_port(address: str) -> bool:
    return bool(_HOST_AND_PORT.fullmatch(address)) and int(address.rpartition(":")[2]) < 2**16


def _is_database_url(url: str) -> bool:
    scheme, separator, _ = url.partition("://")
    return bool(separator) and scheme.partition("+")[0] in DATABASES


def _shown_database_url(url: str) -> str:
    """Return the URL without what may be secret: the password, and options, which can hold another one."""
    scheme = url.partition("://")[0]
    if url.count("@") > 1:  # a password with an `@` in it: where it ends is a guess
        return f"{scheme}://***"
    try:
        return make_url(url).set(query={}).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return f"{scheme}://***"


def _shown_broker(url: str | None) -> str | None:
    return None if url is None else f"{url.partition('://')[0]}://***"


@dataclass(frozen=True)
class Settings:
    """Everything that the API and the jobs can be told; a SettingsError names what cannot be used."""

    database_url: str = field(
        default="sqlite:///app.db",
        repr=False,
        metadata=described(
            "RECOMMENDATION_DATABASE_URL",
            "an SQLAlchemy URL. An SQLite file by default, so that a trial needs no server.",
            "a URL that starts with postgresql:// or sqlite:///",
            allows=_is_database_url,
            show=_shown_database_url,
            is_secret=True,
        ),
    )
    database_pool_size: int = field(
        default=10,
        metadata=whole(
            "RECOMMENDATION_DB_POOL_SIZE",
            2,
            200,
            unit="connections",
            reason="connections that a process may hold; ten keep two cores busy, and many processes add up slowly.",
        ),
    )
    model_path: Path = field(
        default=Path("models/cf.pkl"),
        metadata=path(
            "RECOMMENDATION_MODEL_PATH", reason="where training leaves copies of the models that it publishes."
        ),
    )
    model_max_mib: int = field(
        default=512,
        metadata=whole(
            "RECOMMENDATION_MODEL_MAX_MIB",
            1,
            900,
            unit="MiB",
            reason="largest artifact; half of what one PostgreSQL value can hold. `RECOMMENDATION_READER_MEMORY_MIB` "
            "usually allows less.",
        ),
    )
    reader_memory_mib: int = field(
        default=0,
        metadata=whole(
            "RECOMMENDATION_READER_MEMORY_MIB",
            0,
            1_048_576,
            unit="MiB",
            reason="memory that an API process may take: a training publishes no model that it could not load beside "
            "the live one. 0 says nothing; the chart gives the limit of the API's pods.",
        ),
    )
    models_kept: int = field(
        default=5,
        metadata=whole(
            "RECOMMENDATION_MODELS_KEPT",
            2,
            100,
            unit="versions",
            reason="model versions kept, the live one among them; with hourly training, ways back for some hours.",
        ),
    )
    gate_budget: float = field(
        default=0.05,
        metadata=number(
            "RECOMMENDATION_GATE_BUDGET",
            0.0,
            1.0,
            unit="share of NDCG@10",
            reason="what a new model may lose against the live one or popularity and still go live; the noise of a few "
            "hundred gate users is about that.",
        ),
    )
    gate_max_users: int = field(
        default=50_000,
        metadata=whole(
            "RECOMMENDATION_GATE_MAX_USERS",
            100,
            10_000_000,
            unit="users",
            reason="users that are held out to judge a new model, at most; a store of more than a million active users "
            "has so many. More take longer and hardly say more; the others are trained on.",
        ),
    )
    training_partitioned_from: int = field(
        default=3_000_000,
        metadata=whole(
            "RECOMMENDATION_TRAINING_PARTITIONED_FROM",
            0,
            10**15,
            unit="pairs",
            reason="with more pairs a training works on parts of the users, one after the other, and takes a third of "
            "the memory. Up to so many it has one part, whose factors are exact up to 3 million pairs.",
        ),
    )
    training_partitions: int = field(
        default=64,
        metadata=whole(
            "RECOMMENDATION_TRAINING_PARTITIONS",
            1,
            1024,
            unit="parts",
            reason="how many parts such a training works on. Another number moves a model in its last digits.",
        ),
    )
    training_engine: Literal["here", "dask"] = field(
        default="here",
        metadata=choice(
            "RECOMMENDATION_TRAINING_ENGINE",
            "here",
            "dask",
            reason="who carries out a training: `here` its own process, `dask` workers that wait for its scheduler, "
            "with the same model to the bit. It needs the extra `dask`, PostgreSQL and certificates.",
        ),
    )
    training_workers: int = field(
        default=2,
        metadata=whole(
            "RECOMMENDATION_TRAINING_WORKERS",
            1,
            1_000,
            unit="workers",
            reason="how many workers a training with `dask` waits for. The chart says `training.distributed.workers`.",
        ),
    )
    training_workers_wait_seconds: int = field(
        default=300,
        metadata=whole(
            "RECOMMENDATION_TRAINING_WORKERS_WAIT_SECONDS",
            1,
            86_400,
            unit="seconds",
            reason="how long it waits for them. Then it goes on with those that came; with none it fails, "
            "`no_workers`. A name that is not yet known is remembered as such for 30 s in a cluster.",
        ),
    )
    training_scheduler: str = field(
        default="127.0.0.1:8786",
        metadata=described(
            "RECOMMENDATION_TRAINING_SCHEDULER",
            "where workers find the scheduler, which each training with `dask` starts for itself on that port.",
            "a host and a port, such as training-0.training:8786",
            allows=_is_host_and_port,
        ),
    )
    training_worker_port: int = field(
        default=8788,
        metadata=whole(
            "RECOMMENDATION_TRAINING_WORKER_PORT",
            0,
            65_535,
            unit="port",
            reason="where a worker listens for the training and for other workers; 0 takes any free port, for several "
            "on one machine.",
        ),
    )
    training_tls: Path | None = field(
        default=None,
        metadata=path(
            "RECOMMENDATION_TRAINING_TLS",
            reason="folder with `ca.crt`, `tls.crt` and `tls.key` for scheduler and workers. They refuse clients "
            "without a certificate of that authority, as a client runs code: it should certify nothing else.",
            takes="a folder with ca.crt, tls.crt and tls.key",
        ),
    )
    engine: EngineSettings = field(default_factory=EngineSettings)
    list_length: int = field(
        default=100,
        metadata=whole(
            "CF_MAX_RECOMMENDATIONS",
            1,
            1000,
            unit="games",
            reason="length of a personal list; a hundred fill five pages and take 1.2 kB a user.",
        ),
    )
    diversity: float = field(
        default=0.0,
        metadata=number(
            "RECOMMENDATION_DIVERSITY",
            0.0,
            1.0,
            unit="share",
            reason="how unlike by their tags the first 20 games of a personal list are to be: 0 orders by score alone.",
        ),
    )
    most_per_tag: int = field(
        default=0,
        metadata=whole(
            "RECOMMENDATION_MOST_PER_TAG",
            0,
            20,
            unit="games",
            reason="of one and the same tag among the first 20 of a personal list, while it has others; 0 is any "
            "number, as tags such as `Action` are on most games.",
        ),
    )
    shown_often: int = field(
        default=0,
        metadata=whole(
            "RECOMMENDATION_SHOWN_OFTEN",
            0,
            1_000,
            unit="times",
            reason="after so many times shown (`shown` feedback, the last 1,000 of it) a game that the user never "
            "touched sinks in their list, at most to half its score. 0: none sinks, as no experiment has shown a gain.",
        ),
    )
    list_max_items: int = field(
        default=500,
        metadata=whole(
            "RECOMMENDATION_LIST_MAX_ITEMS",
            1,
            10_000,
            unit="items",
            reason="in one of the shop's own lists, of one source for one user or for everyone; 25 pages.",
        ),
    )
    list_max_sources: int = field(
        default=10,
        metadata=whole(
            "RECOMMENDATION_LIST_MAX_SOURCES",
            1,
            1_000,
            unit="sources",
            reason="of the shop's own lists for one user, and for everyone; a read takes all of them in.",
        ),
    )
    lists_max_items: int = field(
        default=2_000,
        metadata=whole(
            "RECOMMENDATION_LISTS_MAX_ITEMS",
            1,
            100_000,
            unit="items",
            reason="in all of the shop's own lists for one user, and for everyone; a read takes in a user's own items.",
        ),
    )
    lists_max_pins: int = field(
        default=100,
        metadata=whole(
            "RECOMMENDATION_LISTS_MAX_PINS",
            0,
            1_000,
            unit="items",
            reason="with a position among these; the longest page has so many places, and each read seats all pins.",
        ),
    )
    kept_pages_mib: int = field(
        default=32,
        metadata=whole(
            "RECOMMENDATION_KEPT_PAGES_MIB",
            0,
            16_384,
            unit="MiB",
            reason="memory of each API process for pages of lists that were answered, to answer them again while "
            "nothing changed; 32 hold some 5,000 pages of 20 games. 0 keeps none.",
        ),
    )
    weights: Weights = field(
        default_factory=lambda: parse_weights(""),
        metadata=described(
            "INTERACTION_WEIGHTS",
            "what one event adds to a score. Given weights override the defaults, and new names add event types; a "
            "change applies to later events.",
            "event types with weights, such as purchased:5,reviewed:1.5",
            unit="score per event",
            parse=parse_weights,
            show=_weights_text,
        ),
    )
    owning_events: frozenset[str] = field(
        default=DEFAULT_OWNING,
        metadata=described(
            "RECOMMENDATION_OWNING_EVENTS",
            "events that make a game owned; a user who played a game has it.",
            "event types with a weight, parted by commas",
            parse=_event_types,
            show=lambda names: ",".join(sorted(names)),
        ),
    )
    half_life_days: float | None = field(
        default=None,
        metadata=number(
            "INTERACTION_HALF_LIFE_DAYS",
            0.01,
            36_500.0,
            unit="days",
            reason="age at which a pair counts half when it is read; off, as stored sums stay exact. The least is a "
            "quarter of an hour: below it every score would be nothing.",
            zero_is_off=True,
        ),
    )
    popular_days: int | None = field(
        default=None,
        metadata=whole_or_auto(
            "RECOMMENDATION_POPULAR_DAYS",
            1,
            36_500,
            unit="days",
            reason="how far `popular` looks back. A number is meant exactly; `auto` takes 7, 14, 30, 90 days or all "
            "time, as a training finds best on the store's own past, and 90 until one did.",
        ),
    )
    idempotency_retention_days: int = field(
        default=7,
        metadata=whole(
            "RECOMMENDATION_IDEMPOTENCY_RETENTION_DAYS",
            1,
            365,
            unit="days",
            reason="how long keys and event ids are remembered; a week of retries.",
        ),
    )
    training: Literal["local", "queued"] = field(
        default="local",
        metadata=choice(
            "RECOMMENDATION_TRAINING",
            "local",
            "queued",
            reason="`local` runs a queued run as a child process, `queued` leaves it to the cluster.",
        ),
    )
    regeneration: Literal["here", "jobs"] = field(
        default="here",
        metadata=choice(
            "RECOMMENDATION_REGENERATION",
            "here",
            "jobs",
            reason="who remakes everyone's lists for a new live model: `here` the process that published it, `jobs` "
            "those of the operator. The chart says `jobs` where there is one.",
        ),
    )
    regeneration_shards: int = field(
        default=4,
        metadata=whole(
            "RECOMMENDATION_REGENERATION_SHARDS",
            1,
            64,
            unit="shards",
            reason="most shards in which jobs remake everyone's lists, of 250,000 users or more each. Each reads all "
            "interactions, so there are no more than work at a time: the chart says `regeneration.shardsAtOnce`.",
        ),
    )
    remake_active_days: float | None = field(
        default=None,
        metadata=number(
            "RECOMMENDATION_REMAKE_ACTIVE_DAYS",
            0.01,
            36_500.0,
            unit="days",
            reason="for a new live model, only lists of users with an event in so many days are remade, and coverage "
            "is of these; a read makes the others' from the live model. Off: all are.",
            zero_is_off=True,
        ),
    )
    training_database_url: str | None = field(
        default=None,
        repr=False,
        metadata=described(
            "RECOMMENDATION_TRAINING_DATABASE_URL",
            "a replica that trainings read interactions from. They wait until it shows all that was there when they "
            "began. None: they read from `RECOMMENDATION_DATABASE_URL`.",
            "a URL that starts with postgresql://",
            allows=lambda url: url is None or (_is_database_url(url) and not url.startswith("sqlite")),
            show=lambda url: None if url is None else _shown_database_url(url),
            is_secret=True,
        ),
    )
    training_source: str = field(
        default=DATABASE_ITSELF,
        repr=False,
        metadata=described(
            "RECOMMENDATION_TRAINING_SOURCE",
            "where trainings read pairs: `database`, or `parquet:` and the folder or address that `recs export-pairs` "
            "wrote to, such as `parquet:s3://bucket/pairs`. Then a model knows what there was at the export.",
            "database, or parquet: and a folder or an address",
            allows=lambda source: source == DATABASE_ITSELF or (source.startswith(PARQUET) and source != PARQUET),
            show=without_keys,
            is_secret=True,
        ),
    )
    training_suspended: bool = field(
        default=False,
        metadata=flag(
            "RECOMMENDATION_TRAINING_SUSPENDED", reason="while this is true, no alert fires because a model grows old."
        ),
    )
    fresh_reads: bool = field(
        default=True,
        metadata=flag(
            "RECOMMENDATION_FRESH_READS",
            reason="fold newer interactions in at read time (about 1 ms) instead of waiting for the next training.",
        ),
    )
    api_keys_file: Path | None = field(
        default=None,
        metadata=path(
            "RECOMMENDATION_API_KEYS_FILE",
            reason="lines `name:scopes:sha256hex`; without it only loopback is served.",
            takes="a file of keys",
            # Blank is a mistake in a template, and must not open the service to everyone.
            blank="is set but empty; name a file of keys, or unset it",
        ),
    )
    insecure_open: bool = field(
        default=False,
        metadata=flag(
            "RECOMMENDATION_INSECURE_OPEN",
            reason="serve other hosts without keys; for a network that checks them elsewhere.",
        ),
    )
    cors_origins: frozenset[str] = field(
        default=frozenset(),
        metadata=described(
            "RECOMMENDATION_CORS_ORIGINS",
            "pages of these origins may call the API from a browser; none, as keys belong to backends.",
            "origins such as https://shop.example, parted by commas",
            parse=lambda text: frozenset(part.strip() for part in text.split(",") if part.strip()),
            allows=lambda origins: all(_ORIGIN.fullmatch(origin) for origin in origins),
            show=lambda origins: ",".join(sorted(origins)) or None,
        ),
    )
    docs: bool = field(
        default=True,
        metadata=flag("RECOMMENDATION_DOCS", reason="serve `/docs` and `/openapi.json`; the document holds no secret."),
    )
    console: bool = field(
        default=True,
        metadata=flag(
            "RECOMMENDATION_CONSOLE", reason="serve `/console`; the page is static and asks for a key itself."
        ),
    )
    console_images: tuple[str, ...] = field(
        default=(),
        metadata=described(
            "RECOMMENDATION_CONSOLE_IMAGES",
            "hosts from which the console may load the games' `image_url`; none, so that it asks no other host, and no "
            "host learns whose list is looked at.",
            "hosts such as https://cdn.example, parted by spaces",
            parse=lambda text: tuple(sorted(set(text.split()))),
            allows=lambda hosts: all(_IMAGE_HOST.fullmatch(host) for host in hosts),
            show=lambda hosts: " ".join(hosts) or None,
        ),
    )
    max_body_bytes: int = field(
        default=5 * 1024 * 1024,
        metadata=whole(
            "RECOMMENDATION_MAX_BODY_BYTES",
            1024,
            2**30,
            unit="bytes",
            reason="largest request body; 10,000 events take about 2 MB.",
        ),
    )
    max_concurrent_writes: int = field(
        default=6,
        metadata=whole(
            "RECOMMENDATION_MAX_CONCURRENT_WRITES",
            1,
            200,
            unit="requests",
            reason="writes at once in a process; fewer than connections, so that reads go on.",
        ),
    )
    max_waiting_writes: int = field(
        default=64,
        metadata=whole(
            "RECOMMENDATION_MAX_WAITING_WRITES",
            0,
            100_000,
            unit="requests",
            reason="writes that may wait for a turn; more are told to come back (429).",
        ),
    )
    statement_timeout_ms: int = field(
        default=10_000,
        metadata=whole(
            "RECOMMENDATION_STATEMENT_TIMEOUT_MS",
            100,
            600_000,
            unit="ms",
            reason="longest statement of a request in PostgreSQL; jobs have no limit. Two seconds later the server's "
            "process is taken for frozen; ten leave a request below 15 s.",
        ),
    )
    drain_seconds: float = field(
        default=10.0,
        metadata=number(
            "RECOMMENDATION_DRAIN_SECONDS",
            0.0,
            300.0,
            unit="seconds",
            reason="how long to go on serving after SIGTERM; what load balancers need to notice.",
        ),
    )
    events_url: str | None = field(
        default=None,
        repr=False,
        metadata=described(
            "RECOMMENDATION_EVENTS_URL",
            "the broker that accepted events are announced to, see [events.md](events.md). The API needs the extra of "
            "that name; jobs only write to the outbox. None, as most shops have no broker.",
            f"a URL that starts with {', '.join(f'{scheme}://' for scheme in BROKERS)}",
            allows=lambda url: url is None or url.startswith(tuple(f"{scheme}://" for scheme in BROKERS)),
            show=_shown_broker,
            is_secret=True,
        ),
    )
    given: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    """Names of the settings that the environment gave; all others have their defaults."""

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.owning_events or not self.owning_events <= set(self.weights.by_type) - set(WEIGHTLESS):
            setting = settings_of(self)["owning_events"]
            raise SettingsError(f"{setting.name}: {setting.show(self.owning_events)!r} should be {setting.takes}")
        if self.training_engine == "dask":
            self._check_dask()

    def _check_dask(self) -> None:
        if self.training_tls is None:
            raise SettingsError(
                "RECOMMENDATION_TRAINING_TLS: is not set; RECOMMENDATION_TRAINING_ENGINE=dask needs certificates, as "
                "without them any client that reaches its ports runs code"
            )
        is_file = (self.training_database_url or self.database_url).startswith("sqlite")
        if is_file and self.training_files is None:
            raise SettingsError(
                "RECOMMENDATION_TRAINING_ENGINE: dask reads from PostgreSQL, and RECOMMENDATION_DATABASE_URL is an "
                "SQLite file, which workers elsewhere cannot read; leave it at here, or read files "
                "(RECOMMENDATION_TRAINING_SOURCE)"
            )

    @property
    def announces(self) -> bool:
        """Whether what is written is announced."""
        return self.events_url is not None

    @property
    def training_files(self) -> str | None:
        """Folder or address of the files that trainings read; None: they read the database."""
        return self.training_source.removeprefix(PARQUET) if self.training_source.startswith(PARQUET) else None

    @property
    def model_max_bytes(self) -> int:
        """Largest artifact in bytes."""
        return self.model_max_mib * 1024 * 1024


@dataclass(frozen=True)
class InForce:
    """A setting with its value; both values may be shown to anyone with a key of scope `admin`."""

    setting: Setting
    value: Any
    default: Any
    source: Literal["default", "environment"]


def load_settings(environment: Environment | None = None) -> Settings:
    """
    Read the environment.

    Raises:
        SettingsError: with one line that names the setting and what it should be.
    """
    env = os.environ if environment is None else environment
    engine, own = read_settings(EngineSettings, env), read_settings(Settings, env)
    given = {settings_of(EngineSettings)[name].name for name in engine} | {
        settings_of(Settings)[name].name for name in own
    }
    return Settings(**own, engine=EngineSettings(**engine), given=frozenset(given))


def in_force(settings: Settings) -> Iterator[InForce]:
    """Yield every setting, the engine's too, in the order of the table in docs/configuration.md."""
    for holder, defaults in ((settings, Settings()), (settings.engine, EngineSettings())):
        for name, setting in settings_of(holder).items():
            yield InForce(
                setting,
                setting.show(getattr(holder, name)),
                setting.show(getattr(defaults, name)),
                "environment" if setting.name in settings.given else "default",
            )
