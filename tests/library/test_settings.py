"""Settings: every bad one stops the start with one clear line that names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recommendation.engine.settings import EngineSettings
from recommendation.errors import SettingsError
from recommendation.settings import Settings, in_force, load_settings

BAD = {
    "RECOMMENDATION_DATABASE_URL": ["mysql://u:hunter2@h/db", "hunter2", "postgresql:/hunter2"],
    "CF_N_COMPONENTS": ["1", "forty", "4.5", "-3", "99999999999999999999"],
    "CF_MIN_INTERACTIONS": ["0", "x"],
    "CF_MAX_RECOMMENDATIONS": ["0", "1001", "ten"],
    "INTERACTION_WEIGHTS": ["purchased:x"],
    "INTERACTION_HALF_LIFE_DAYS": ["nan", "-1", "inf", "1e-300", "soon"],
    "RECOMMENDATION_OWNING_EVENTS": ["sneezed", ",", "refunded", "purchased,dismissed"],
    "RECOMMENDATION_TRAINING": ["remote", "Local"],
    "RECOMMENDATION_TRAINING_SUSPENDED": ["1"],
    "RECOMMENDATION_TRAINING_DATABASE_URL": ["sqlite:///app.db", "mysql://u:hunter2@h/db"],
    "RECOMMENDATION_REGENERATION": ["local", "job"],
    "RECOMMENDATION_REGENERATION_SHARDS": ["0", "65"],
    "RECOMMENDATION_REMAKE_ACTIVE_DAYS": ["-1", "nan", "week"],
    "RECOMMENDATION_GATE_BUDGET": ["1.5", "5%"],
    "RECOMMENDATION_GATE_MAX_USERS": ["99", "all"],
    "RECOMMENDATION_TRAINING_PARTITIONED_FROM": ["-1"],
    "RECOMMENDATION_TRAINING_PARTITIONS": ["0", "1025"],
    "RECOMMENDATION_TRAINING_ENGINE": ["spark"],
    "RECOMMENDATION_TRAINING_SOURCE": ["parquet", "parquet:", "s3://key:hunter2@bucket"],
    "RECOMMENDATION_TRAINING_WORKERS": ["0", "1001"],
    "RECOMMENDATION_TRAINING_WORKERS_WAIT_SECONDS": ["0", "5m"],
    "RECOMMENDATION_TRAINING_SCHEDULER": ["training-0", "tls://training-0:8786", "training-0:87860", ":8786"],
    "RECOMMENDATION_TRAINING_TLS": ["certificates\0"],
    "RECOMMENDATION_TRAINING_WORKER_PORT": ["-1", "65536"],
    "RECOMMENDATION_API_KEYS_FILE": ["", "  "],
    "RECOMMENDATION_INSECURE_OPEN": ["yes", "1"],
    "RECOMMENDATION_CORS_ORIGINS": ["shop.example", "https://shop.example/", "*"],
    "RECOMMENDATION_DOCS": ["on"],
    "RECOMMENDATION_CONSOLE": ["off"],
    "RECOMMENDATION_CONSOLE_IMAGES": ["http://cdn.example", "https://cdn.example/x", "https://*.example"],
    "RECOMMENDATION_FRESH_READS": ["maybe"],
    "RECOMMENDATION_POPULAR_DAYS": ["0", "x", "36501"],
    "RECOMMENDATION_DIVERSITY": ["-0.1", "1.1", "nan"],
    "RECOMMENDATION_MOST_PER_TAG": ["-1", "21"],
    "RECOMMENDATION_SHOWN_OFTEN": ["-1", "often"],
    "RECOMMENDATION_IDEMPOTENCY_RETENTION_DAYS": ["0", "366"],
    "RECOMMENDATION_MODEL_MAX_MIB": ["0", "901"],
    "RECOMMENDATION_READER_MEMORY_MIB": ["-1", "1Gi"],
    "RECOMMENDATION_MODELS_KEPT": ["1"],
    "RECOMMENDATION_MODEL_PATH": ["models\0/cf.pkl"],
    "RECOMMENDATION_DB_POOL_SIZE": ["1", "many"],
    "RECOMMENDATION_MAX_BODY_BYTES": ["10"],
    "RECOMMENDATION_MAX_CONCURRENT_WRITES": ["0"],
    "RECOMMENDATION_MAX_WAITING_WRITES": ["-1"],
    "RECOMMENDATION_STATEMENT_TIMEOUT_MS": ["0"],
    "RECOMMENDATION_DRAIN_SECONDS": ["nan", "301"],
    "RECOMMENDATION_LIST_MAX_ITEMS": ["0", "many"],
    "RECOMMENDATION_LIST_MAX_SOURCES": ["0"],
    "RECOMMENDATION_LISTS_MAX_ITEMS": ["0"],
    "RECOMMENDATION_LISTS_MAX_PINS": ["-1"],
    "RECOMMENDATION_KEPT_PAGES_MIB": ["-1", "1.5"],
    "RECOMMENDATION_EVENTS_URL": ["http://h", "kafka:/hunter2", "amqp://user:hunter2@h"],
}


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load_settings({}) == Settings()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_setting_stops_the_start_with_one_line_that_names_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings({name: value})
    message = str(refused.value)
    assert message.startswith(f"{name}: ")
    assert "\n" not in message
    assert "hunter2" not in message


def test_what_is_built_without_an_environment_is_checked_too() -> None:
    for wrong in ({"popular_days": 0}, {"owning_events": frozenset({"sneezed"})}, {"half_life_days": 0.001}):
        with pytest.raises(SettingsError):
            Settings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"^CF_N_COMPONENTS: 1 should be auto, or a whole number from 2 to 4096$"):
        EngineSettings(components=1)


def test_auto_is_what_is_meant_where_nothing_is_set() -> None:
    given = {"CF_N_COMPONENTS": "auto", "CF_MIN_INTERACTIONS": "auto"}
    assert load_settings(given).engine == load_settings({}).engine == EngineSettings()


def test_each_setting_says_its_value_and_who_gave_it() -> None:
    settings = load_settings({"CF_N_COMPONENTS": "7", "RECOMMENDATION_DOCS": "true", "RECOMMENDATION_CONSOLE": " "})
    found = {one.setting.name: (one.value, one.default, one.source) for one in in_force(settings)}
    assert set(found) == set(BAD)
    assert found["CF_N_COMPONENTS"] == (7, "auto", "environment")
    assert found["CF_MIN_INTERACTIONS"] == ("auto", "auto", "default")
    assert found["RECOMMENDATION_DOCS"] == (True, True, "environment")
    assert found["RECOMMENDATION_CONSOLE"] == (True, True, "default")
    assert found["INTERACTION_HALF_LIFE_DAYS"] == (None, None, "default")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:hunter2@h:5432/db?sslpassword=hunter2", "postgresql://ann:***@h:5432/db"),
        ("postgresql:///db?host=/tmp&password=hunter2", "postgresql:///db"),
        ("postgresql://ann:@hunter2@h/db", "postgresql://***"),
        ("postgresql://ann:hunter2@h:port/db", "postgresql://***"),
        ("sqlite:////data/app.db", "sqlite:////data/app.db"),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    broker = "kafka://ann:hunter2@h:9092/topic"
    settings = load_settings({"RECOMMENDATION_DATABASE_URL": url, "RECOMMENDATION_EVENTS_URL": broker})
    found = {one.setting.name: one.value for one in in_force(settings)}
    assert found["RECOMMENDATION_DATABASE_URL"] == shown
    assert found["RECOMMENDATION_EVENTS_URL"] == "kafka://***"
    assert "hunter2" not in repr(settings)


def test_the_url_of_an_unusable_database_is_not_repeated_either() -> None:
    from recommendation.database.database import Database

    with pytest.raises(SettingsError) as refused:
        Database("postgresql://steam:hunter2@host:port/name")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("module", ["recommendation_jobs", "recommendation_api.main"])
def test_a_shell_with_a_bad_setting_ends_with_42_and_no_traceback(module: str, tmp_path: Path) -> None:
    arguments = ["prune"] if module == "recommendation_jobs" else []
    environment = {**os.environ, "INTERACTION_WEIGHTS": "purchased:x"}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 42
    assert "INTERACTION_WEIGHTS" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
