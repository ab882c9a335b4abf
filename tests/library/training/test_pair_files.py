"""Pairs in files: what trainings read of them is what they read of the database, and half an export is never read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pa_parquet
import pytest
from shops import Shop

from recommendation.engine import artifact
from recommendation.engine.settings import EngineSettings
from recommendation.environment import without_keys
from recommendation.errors import InvalidInput
from recommendation.matrix import pair_files
from recommendation.matrix.extract import read_parts
from recommendation.matrix.pair_files import export_pairs, listed, read_files, read_pair_file
from recommendation.matrix.running import Here
from recommendation.settings import Settings, load_settings
from recommendation.training import models
from recommendation_jobs.commands import main
from stores import random_store

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PARTS = 5


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Iterator[Shop]:
    settings = Settings(
        database_url=database_url,
        model_path=tmp_path / "cf.pkl",
        training_partitioned_from=0,
        training_partitions=PARTS,
        engine=EngineSettings(8, 2, weighting="log", recency=0.0, ridge=10.0, link_share=1.0, neighbours=20),
    )
    opened = Shop(settings)
    opened.fill(random_store(1, 300))
    yield opened
    opened.database.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "exports")


def export(shop: Shop, url: str) -> None:
    with shop.database.snapshot() as connection:
        export_pairs(connection, url, PARTS, NOW)


@pytest.mark.parametrize("half_life_days", [None, 3.0])
@pytest.mark.parametrize("is_uri", [True, False], ids=["an address", "a folder"])
def test_files_hold_the_parts_that_are_read_of_the_database(
    shop: Shop, url: str, half_life_days: float | None, is_uri: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_files, "_ROWS_AT_ONCE", 500)
    url = f"file://{url}" if is_uri else url
    export(shop, url)
    with shop.database.snapshot() as connection:
        read = read_parts(connection, half_life_days, NOW, PARTS)
    found = read_files(Here(), listed(url), url, half_life_days, NOW)
    assert found.games == read.games
    for one, other in zip(found.held, read.held, strict=True):
        assert one.users == other.users
        for name in ("indptr", "indices", "scores", "times"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


def model_of(shop: Shop) -> bytes:
    """The model of a training that goes live, but for what tells one training from another."""
    outcome = shop.train()
    assert outcome.state == "succeeded", outcome.detail
    with shop.database.reading() as connection:
        data = models.artifact(connection, str(outcome.model_version))
    return artifact.dump(artifact.load(data, artifact.digest(data), len(data))[0], {})


def test_a_training_on_files_makes_the_same_model_and_knows_what_there_was_at_the_export(shop: Shop, url: str) -> None:
    export(shop, url)
    before = model_of(shop)
    shop.fill(random_store(2, 200))
    shop.settings = replace(shop.settings, training_source=f"parquet:{url}")
    assert model_of(shop) == before


def test_an_export_that_breaks_off_leaves_the_one_before(shop: Shop, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    export(shop, url)
    before = listed(url)
    monkeypatch.setattr(pair_files, "_table", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(shop, url)
    assert listed(url) == before
    assert len(list(Path(url).iterdir())) == 3  # two folders, one of them of no use, and the manifest


def test_without_a_complete_export_it_says_what_to_do(shop: Shop, url: str) -> None:
    with pytest.raises(InvalidInput, match="there is no complete export of pairs; run 'recs export-pairs'"):
        listed(url)
    export(shop, url)
    files = listed(url)
    manifest = Path(url) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 2}))
    with pytest.raises(InvalidInput, match="of another release"):
        listed(url)
    path = Path(url) / files.path(0)
    pa_parquet.write_table(pa_parquet.read_table(path).slice(1), path)
    with pytest.raises(InvalidInput, match=rf"has {files.rows[0] - 1} rows instead of {files.rows[0]}; export again"):
        read_pair_file(0, files, url, None, NOW)
    path.write_bytes(b"PAR1")
    with pytest.raises(InvalidInput, match="cannot be used"):
        read_pair_file(0, files, url, None, NOW)
    path.unlink()
    with pytest.raises(InvalidInput, match="no complete export"):
        read_pair_file(0, files, url, None, NOW)


def test_the_command_exports_by_the_settings(
    shop: Shop, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECOMMENDATION_DATABASE_URL", shop.settings.database_url)
    monkeypatch.setenv("RECOMMENDATION_TRAINING_PARTITIONS", "3")
    assert main(["export-pairs", url]) == 0
    rows = listed(url).rows
    assert len(rows) == 3
    assert f"exported {sum(rows)} pairs into 3 files" in capsys.readouterr().out


def test_no_key_of_an_object_store_is_shown() -> None:
    assert without_keys("s3://key:hunter2@bucket/pairs?endpoint_override=h") == "s3://bucket/pairs"
    assert without_keys("/exports/pairs") == "/exports/pairs"
    settings = load_settings({"RECOMMENDATION_TRAINING_SOURCE": "parquet:s3://key:hunter2@bucket/pairs"})
    assert settings.training_files == "s3://key:hunter2@bucket/pairs"
    assert "hunter2" not in repr(settings)
