"""
What a published model asks of those who read it: a model that they cannot hold would stop every replica at once.

Measured with 500,000 games of 40 components (172 MiB) and a catalogue with titles and tags: the process takes 89 MiB
before it reads anything, and 1,322 MiB at most while one model takes the place of another; `memory_mib` says 1,502.
"""

import math
from collections.abc import Sequence

from recommendation.errors import InvalidInput
from recommendation.settings import Settings

PROCESS_MIB = 150
"""An API process with its connections, without catalogue, model and kept pages."""


GAME_BYTES = 1536
"""A game of the catalogue as Python objects, its row in the model's vocabulary, and its part of lists being made."""


LIVE_TIMES, LOADING_TIMES = 2.1, 1.5
"""Sizes of an artifact that the live model takes, as releases are put into a copy of it; and the one being loaded."""


BESIDE_TIMES = 3.1
"""Sizes of an artifact that a model beside the live one takes: as that, and a second copy with releases while the
catalogue changes. The live model's second copy needs no more than the place of the one being loaded."""


BESIDE_GAME_BYTES = 512
"""A game's row in the vocabulary of such a model, and what a view of it keeps of each game."""


def memory_mib(artifact_bytes: int, games: int, beside: Sequence[int] = ()) -> int:
    """
    Return how much memory an API process needs while such a model takes the place of another like it.

    Args:
        artifact_bytes: size of the model.
        games: how many games the catalogue has.
        beside: sizes of the models that experiments name.
    """
    of_models = (LIVE_TIMES + LOADING_TIMES) * artifact_bytes + BESIDE_TIMES * sum(beside)
    of_games = (GAME_BYTES + BESIDE_GAME_BYTES * len(beside)) * games
    return PROCESS_MIB + math.ceil((of_models + of_games) / 2**20)


def another_fits(settings: Settings, artifact_bytes: int, games: int, beside: Sequence[int] = ()) -> bool:
    """
    Tell whether a process may hold one more model of such a size, while a new one takes the place of the live one.

    Args:
        settings: with the bounds.
        artifact_bytes: size of the model; the live one is taken for as large.
        games: how many games the catalogue has.
        beside: sizes of the models that experiments name.
    """
    one_more = math.ceil(LIVE_TIMES * artifact_bytes / 2**20)
    needed = memory_mib(artifact_bytes, games, beside) + one_more + settings.kept_pages_mib
    return not settings.reader_memory_mib or needed <= settings.reader_memory_mib


def refuse_what_readers_cannot_hold(
    settings: Settings, artifact_bytes: int, games: int, beside: Sequence[int] = ()
) -> None:
    """
    Refuse a model that is too large.

    Args:
        settings: with the bounds.
        artifact_bytes: size of the model.
        games: how many games the catalogue has.
        beside: sizes of the models that experiments name.

    Raises:
        InvalidInput: it is, with the numbers and what to change.
    """
    mib = math.ceil(artifact_bytes / 2**20)
    if artifact_bytes > settings.model_max_bytes:
        raise InvalidInput(
            f"the model has {mib} MiB, more than RECOMMENDATION_MODEL_MAX_MIB={settings.model_max_mib}; "
            "raise that, or lower CF_N_COMPONENTS"
        )
    needed, there = memory_mib(artifact_bytes, games, beside) + settings.kept_pages_mib, settings.reader_memory_mib
    if there and needed > there:
        named, end = (f" and {len(beside)} that experiments name", ", end an experiment") if beside else ("", "")
        raise InvalidInput(
            f"the model has {mib} MiB: with {games} games an API process needs {needed} MiB to load it beside the live "
            f"one{named}, more than RECOMMENDATION_READER_MEMORY_MIB={there}; raise the memory limit of the API's "
            f"pods{end}, or lower CF_N_COMPONENTS"
        )
