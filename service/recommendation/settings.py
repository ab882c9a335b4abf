"""
Settings of the service and its jobs, read once from the environment and checked before anything starts.

Each field says what it means, its unit, and why this default. The operator has its own, as it shares no code with us.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from recommendation.engine.settings import EngineSettings
from recommendation.errors import SettingsError
from recommendation.weights import Weights, parse_weights

Environment = Mapping[str, str]


BROKERS = ("kafka", "redis", "rediss")
"""Schemes of `RECOMMENDATION_EVENTS_URL`."""


SHORTEST_HALF_LIFE_DAYS = 0.01
"""A quarter of an hour: below that every score would be nothing."""


@dataclass(frozen=True)
class Settings:
    """Everything that the API and the jobs can be told."""

    database_url: str = "sqlite:///app.db"
    """`RECOMMENDATION_DATABASE_URL`: an SQLAlchemy URL. An SQLite file by default, so that a trial needs no server."""

    database_pool_size: int = 10
    """`RECOMMENDATION_DB_POOL_SIZE`: connections a process may hold; ten keep two cores busy and add up slowly."""

    model_path: Path = Path("models/cf.pkl")
    """`RECOMMENDATION_MODEL_PATH`: where training leaves copies of the models it publishes."""

    model_max_mib: int = 512
    """`RECOMMENDATION_MODEL_MAX_MIB`: largest artifact in MiB; half of what one PostgreSQL value can hold."""

    models_kept: int = 5
    """`RECOMMENDATION_MODELS_KEPT`: model versions kept, the live one among them; ways back for some hours."""

    gate_budget: float = 0.05
    """`RECOMMENDATION_GATE_BUDGET`: share of NDCG@10 that a new model may lose and still go live; the noise of a few
    hundred gate users is about that."""

    engine: EngineSettings = field(default_factory=EngineSettings)
    """`CF_N_COMPONENTS`, `CF_MIN_INTERACTIONS`: see the engine's own settings."""

    list_length: int = 100
    """`CF_MAX_RECOMMENDATIONS`: items in a personal list; a hundred fill five pages and 1.2 kB a user."""

    weights: Weights = field(default_factory=lambda: parse_weights(""))
    """`INTERACTION_WEIGHTS`: what an event adds to a score; a change applies to later events."""

    owning_events: frozenset[str] = frozenset({"purchased", "played"})
    """`RECOMMENDATION_OWNING_EVENTS`: events that make a game owned; who played a game has it."""

    half_life_days: float | None = None
    """`INTERACTION_HALF_LIFE_DAYS`: days after which a pair counts half when read; off, as stored sums stay exact."""

    popular_days: int = 90
    """`RECOMMENDATION_POPULAR_DAYS`: days that `popular` looks back; a season of releases."""

    idempotency_retention_days: int = 7
    """`RECOMMENDATION_IDEMPOTENCY_RETENTION_DAYS`: days that keys and event ids are remembered; a week of retries."""

    training: Literal["local", "queued"] = "local"
    """`RECOMMENDATION_TRAINING`: `local` runs a queued run as a child process, `queued` leaves it to the cluster."""

    training_suspended: bool = False
    """`RECOMMENDATION_TRAINING_SUSPENDED`: nobody is paged because models grow old while this is said."""

    fresh_reads: bool = True
    """`RECOMMENDATION_FRESH_READS`: fold newer interactions in at read time (about 1 ms) instead of waiting an hour."""

    api_keys_file: Path | None = None
    """`RECOMMENDATION_API_KEYS_FILE`: lines `name:scopes:sha256hex`; without it only loopback is served."""

    insecure_open: bool = False
    """`RECOMMENDATION_INSECURE_OPEN`: serve other hosts without keys; for a network that checks them elsewhere."""

    docs: bool = True
    """`RECOMMENDATION_DOCS`: serve `/docs` and `/openapi.json`; the document holds no secret."""

    console: bool = True
    """`RECOMMENDATION_CONSOLE`: serve `/console`; the page is static and asks for a key itself."""

    max_body_bytes: int = 5 * 1024 * 1024
    """`RECOMMENDATION_MAX_BODY_BYTES`: largest request body; 10,000 events take about 2 MB."""

    max_concurrent_writes: int = 6
    """`RECOMMENDATION_MAX_CONCURRENT_WRITES`: writes at once in a process; fewer than connections, so reads go on."""

    max_waiting_writes: int = 64
    """`RECOMMENDATION_MAX_WAITING_WRITES`: writes that may wait for a turn; more are told to come back (429)."""

    statement_timeout_ms: int = 15_000
    """`RECOMMENDATION_STATEMENT_TIMEOUT_MS`: longest statement of a request in PostgreSQL; jobs have no limit."""

    events_url: str | None = field(default=None, repr=False)
    """`RECOMMENDATION_EVENTS_URL`: the broker that what happens is announced to; none, as most shops have none. It may
    hold a password, so it is never shown."""

    drain_seconds: float = 10.0
    """`RECOMMENDATION_DRAIN_SECONDS`: how long to go on serving after SIGTERM; what load balancers need to notice."""

    @property
    def announces(self) -> bool:
        """Whether what is written is announced."""
        return self.events_url is not None

    @property
    def model_max_bytes(self) -> int:
        """Largest artifact in bytes."""
        return self.model_max_mib * 1024 * 1024


def load_settings(environment: Environment | None = None) -> Settings:
    """
    Read the environment.

    Raises:
        SettingsError: with one line that names the setting and what it should be.
    """
    env = os.environ if environment is None else environment
    weights = parse_weights(env.get("INTERACTION_WEIGHTS", ""))
    days = _number(env, "INTERACTION_HALF_LIFE_DAYS", 0.0, 0.0, 36_500.0)
    if 0 < days < SHORTEST_HALF_LIFE_DAYS:
        raise SettingsError(f"INTERACTION_HALF_LIFE_DAYS: {days!r} should be 0 (off) or at least 0.01")
    return Settings(
        database_url=_database_url(env),
        database_pool_size=_whole(env, "RECOMMENDATION_DB_POOL_SIZE", Settings.database_pool_size, 2, 200),
        model_path=Path(_text(env, "RECOMMENDATION_MODEL_PATH", str(Settings.model_path))),
        model_max_mib=_whole(env, "RECOMMENDATION_MODEL_MAX_MIB", Settings.model_max_mib, 1, 900),
        models_kept=_whole(env, "RECOMMENDATION_MODELS_KEPT", Settings.models_kept, 2, 100),
        gate_budget=_number(env, "RECOMMENDATION_GATE_BUDGET", Settings.gate_budget, 0.0, 1.0),
        engine=EngineSettings(
            components=_whole(env, "CF_N_COMPONENTS", EngineSettings.components, 2, 4096),
            min_interactions=_whole(env, "CF_MIN_INTERACTIONS", EngineSettings.min_interactions, 1, 1_000_000),
        ),
        list_length=_whole(env, "CF_MAX_RECOMMENDATIONS", Settings.list_length, 1, 1000),
        weights=weights,
        owning_events=_owning(env, weights),
        half_life_days=days or None,
        popular_days=_whole(env, "RECOMMENDATION_POPULAR_DAYS", Settings.popular_days, 1, 36_500),
        idempotency_retention_days=_whole(
            env, "RECOMMENDATION_IDEMPOTENCY_RETENTION_DAYS", Settings.idempotency_retention_days, 1, 365
        ),
        training="queued" if _choice(env, "RECOMMENDATION_TRAINING", ("local", "queued")) == "queued" else "local",
        training_suspended=_flag(env, "RECOMMENDATION_TRAINING_SUSPENDED", Settings.training_suspended),
        fresh_reads=_flag(env, "RECOMMENDATION_FRESH_READS", Settings.fresh_reads),
        api_keys_file=_keys_file(env),
        insecure_open=_flag(env, "RECOMMENDATION_INSECURE_OPEN", Settings.insecure_open),
        docs=_flag(env, "RECOMMENDATION_DOCS", Settings.docs),
        console=_flag(env, "RECOMMENDATION_CONSOLE", Settings.console),
        max_body_bytes=_whole(env, "RECOMMENDATION_MAX_BODY_BYTES", Settings.max_body_bytes, 1024, 2**30),
        max_concurrent_writes=_whole(
            env, "RECOMMENDATION_MAX_CONCURRENT_WRITES", Settings.max_concurrent_writes, 1, 200
        ),
        max_waiting_writes=_whole(env, "RECOMMENDATION_MAX_WAITING_WRITES", Settings.max_waiting_writes, 0, 100_000),
        statement_timeout_ms=_whole(
            env, "RECOMMENDATION_STATEMENT_TIMEOUT_MS", Settings.statement_timeout_ms, 100, 600_000
        ),
        events_url=_events_url(env),
        drain_seconds=_number(env, "RECOMMENDATION_DRAIN_SECONDS", Settings.drain_seconds, 0.0, 300.0),
    )


def _text(env: Environment, name: str, default: str) -> str:
    value = env.get(name, "").strip()
    if "\0" in value:
        raise SettingsError(f"{name}: holds a NUL character")
    return value or default


def _number(env: Environment, name: str, default: float, least: float, most: float) -> float:
    text = _text(env, name, str(default))
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name}: {text!r} is not a number") from None
    if not least <= value <= most:
        raise SettingsError(f"{name}: {text!r} should be from {least:g} to {most:g}")
    return value


def _whole(env: Environment, name: str, default: int, least: int, most: int) -> int:
    text = _text(env, name, str(default))
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise SettingsError(f"{name}: {text!r} is not a whole number")
    if not least <= int(text) <= most:
        raise SettingsError(f"{name}: {text!r} should be from {least} to {most}")
    return int(text)


def _choice(env: Environment, name: str, choices: tuple[str, ...]) -> str:
    value = _text(env, name, choices[0])
    if value not in choices:
        raise SettingsError(f"{name}: {value!r} should be one of {', '.join(choices)}")
    return value


def _flag(env: Environment, name: str, default: bool) -> bool:
    return _choice(env, name, ("true", "false") if default else ("false", "true")) == "true"


def _owning(env: Environment, weights: Weights) -> frozenset[str]:
    text = _text(env, "RECOMMENDATION_OWNING_EVENTS", ",".join(sorted(Settings.owning_events)))
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(names - set(weights.by_type)) or sorted(names & {"refunded", "dismissed"})
    if unknown or not names:
        raise SettingsError(f"RECOMMENDATION_OWNING_EVENTS: {text!r} should name event types with a weight")
    return names


def _database_url(env: Environment) -> str:
    url = _text(env, "RECOMMENDATION_DATABASE_URL", Settings.database_url)
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme not in {"postgresql", "postgres", "sqlite"} or "://" not in url:
        # The URL may hold a password: the message must not repeat it.
        raise SettingsError("RECOMMENDATION_DATABASE_URL: should start with postgresql:// or sqlite:///")
    return url


def _keys_file(env: Environment) -> Path | None:
    name = "RECOMMENDATION_API_KEYS_FILE"
    if name not in env:
        return None
    path = _text(env, name, "")
    if not path:
        # Blank is a mistake in a template, and must not open the service to everyone.
        raise SettingsError(f"{name}: is set but empty; name a file of keys, or unset it")
    return Path(path)


def _events_url(env: Environment) -> str | None:
    name = "RECOMMENDATION_EVENTS_URL"
    url = _text(env, name, "")
    if url and not url.startswith(tuple(f"{scheme}://" for scheme in BROKERS)):
        # The URL may hold a password: the message must not repeat it.
        raise SettingsError(f"{name}: should start with {', '.join(f'{scheme}://' for scheme in BROKERS)}")
    return url or None
