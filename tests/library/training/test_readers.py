"""A training publishes no model that its readers have no memory for."""

from dataclasses import replace
from pathlib import Path

import pytest
from shop import checkerboard, settings_of

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.settings import Settings
from recommendation.training.models import live_version
from recommendation.training.readers import memory_mib, refuse_what_readers_cannot_hold
from recommendation.training.train import train

MIB = 2**20


def test_the_refusal_has_the_numbers_and_says_what_to_change() -> None:
    settings = Settings(reader_memory_mib=1024)
    with pytest.raises(InvalidInput) as refused:
        refuse_what_readers_cannot_hold(settings, 171 * MIB, 500_000)
    assert str(refused.value) == (
        "the model has 171 MiB: with 500000 games an API process needs 1531 MiB to load it beside the live one, more "
        "than RECOMMENDATION_READER_MEMORY_MIB=1024; raise the memory limit of the API's pods, or lower CF_N_COMPONENTS"
    )


def test_what_just_fits_is_published_and_no_word_of_memory_is_no_bound() -> None:
    needed = memory_mib(100 * MIB, 200_000) + Settings().kept_pages_mib
    refuse_what_readers_cannot_hold(Settings(reader_memory_mib=needed), 100 * MIB, 200_000)
    refuse_what_readers_cannot_hold(Settings(), 500 * MIB, 10_000_000)
    with pytest.raises(InvalidInput, match="READER_MEMORY"):
        refuse_what_readers_cannot_hold(Settings(reader_memory_mib=needed - 1), 100 * MIB, 200_000)
    with pytest.raises(InvalidInput, match="RECOMMENDATION_MODEL_MAX_MIB=512"):
        refuse_what_readers_cannot_hold(Settings(reader_memory_mib=2**20), 513 * MIB, 10)


def test_a_training_whose_model_readers_cannot_hold_fails_and_the_live_model_stays(
    database: Database, tmp_path: Path
) -> None:
    checkerboard(database)
    settings = settings_of(database, tmp_path)
    before = train(database, settings, SteadyClock(), None, lambda _stage: None)
    small = replace(settings, reader_memory_mib=100)
    outcome = train(database, small, SteadyClock(), None, lambda _stage: None)
    assert (outcome.state, outcome.reason) == ("failed", "invalid_input")
    assert "RECOMMENDATION_READER_MEMORY_MIB=100" in str(outcome.detail)
    with database.reading() as connection:
        assert live_version(connection) == before.model_version
