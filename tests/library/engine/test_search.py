"""What a fit chooses by the data, and that nothing but the data and the seed has a say in it."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from recommendation.engine import artifact, search
from recommendation.engine.choice import Choice, Decision
from recommendation.engine.fit import fit
from recommendation.engine.settings import EngineSettings
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts
from stores import random_store

OPEN = EngineSettings(weighting="binary", neighbours=0, ridge=10.0)
"""Only components and bounds are left to be chosen."""


def choose(matrix: InteractionMatrix, settings: EngineSettings) -> Decision:
    return search.choose(MatrixParts.of(matrix), settings)


def niches(seed: int, users: int = 500, niches: int = 90, size: int = 8) -> InteractionMatrix:
    """Users who know most games of two niches; 40 components cannot tell so many niches apart."""
    rng = np.random.default_rng(seed)
    pairs = [
        (f"u{user:04}", f"g{niche:03}-{game}")
        for user in range(users)
        for niche in rng.choice(niches, 2, replace=False)
        for game in rng.choice(size, 5, replace=False)
    ]
    return InteractionMatrix.from_pairs([user for user, _ in pairs], [game for _, game in pairs], np.ones(len(pairs)))


def test_the_same_data_and_seed_give_the_same_choice_and_the_same_bytes() -> None:
    one, other = (fit(random_store(3, users=150), EngineSettings()) for _ in range(2))
    assert one.decision == other.decision
    assert artifact.dump(one, {}) == artifact.dump(other, {})


def test_numbers_that_are_given_are_meant_exactly() -> None:
    settings = EngineSettings(components=7, min_interactions=3)
    model = fit(random_store(3, users=150), settings)
    chosen = model.decision["chosen"]
    assert (chosen["components"], chosen["min_interactions"], model.components) == (7, 3, 7)


def test_a_store_of_too_few_users_gets_the_defaults_and_says_that_nothing_was_tried() -> None:
    decision = choose(random_store(3, users=50), EngineSettings())
    assert (decision.choice, decision.users, decision.tried) == (Choice(), 0, ())


def test_a_choice_that_is_given_whole_is_not_searched_for() -> None:
    choice = Choice(components=5, weighting="binary", ridge=30.0)
    decision = choose(random_store(3, users=150), EngineSettings(**asdict(choice)))
    assert (decision.choice, decision.tried) == (choice, ())


def test_many_niches_take_more_components_and_two_tastes_do_not() -> None:
    assert choose(niches(1), OPEN).choice.components >= 128
    assert choose(random_store(3, users=300, games=200), OPEN).choice.components == 40


def test_users_and_games_with_two_pairs_enter_the_fit() -> None:
    matrix = niches(1, users=120)
    rare = np.flatnonzero((matrix.pairs_per_game() >= 2) & (matrix.pairs_per_game() < 5))
    model = fit(matrix, EngineSettings())
    assert len(rare)
    assert model.decision["chosen"]["min_interactions"] == 2
    assert (model.games.rows(matrix.games.ids(rare)) >= 0).all()


def test_what_was_tried_is_kept_with_what_it_gave() -> None:
    decision = choose(niches(1), OPEN)
    first = next(one for one in decision.tried if one.step == "components")
    last = [one for one in decision.tried if one.step == "components" and one.choice == decision.choice]
    assert first.choice.components == 40
    assert last[0].reached > 1.005 * first.reached
    assert decision.as_json()["chosen"] == asdict(decision.choice)
    assert decision.as_json()["users"] == decision.users == 500


def test_a_model_that_replicas_could_not_hold_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = niches(1)
    monkeypatch.setitem(search.MOST_NUMBERS, "components", 100 * 128)
    assert choose(matrix, OPEN).choice.components == 40


def test_another_seed_chooses_the_same_or_what_is_as_good() -> None:
    matrix = niches(1)
    chosen = {choose(matrix, EngineSettings(**{**vars(OPEN), "seed": seed})).choice for seed in range(5)}
    assert {choice.min_interactions for choice in chosen} == {2}
    assert 40 not in {choice.components for choice in chosen}


def test_a_small_store_is_measured_by_several_draws_and_an_ordered_or_large_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matrix = random_store(3, users=150)
    ordered = replace(matrix, times=np.arange(matrix.pairs))

    def draws(of: InteractionMatrix, seed: int = 1) -> list[tuple[int, ...]]:
        return [tuple(one.held_out.indices.tolist()) for one in search.drawn_holdouts(MatrixParts.of(of), seed)]

    assert len(set(draws(matrix))) == search.MOST_FOLDS
    assert not set(draws(matrix)) & set(draws(matrix, 2))
    assert len(draws(ordered)) == 1
    monkeypatch.setattr(search, "FOLD_PAIRS", 2 * matrix.pairs)
    assert len(draws(matrix)) == 2
    monkeypatch.setattr(search, "FOLD_PAIRS", matrix.pairs - 1)
    assert len(draws(matrix)) == 1


def test_what_a_choice_reaches_is_the_mean_over_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = random_store(3, users=150)
    free = replace(EngineSettings(**asdict(Choice(components=5))), ridge=None)
    whole = choose(matrix, free).tried[0].reached
    alone = []
    for fold in range(search.MOST_FOLDS):
        monkeypatch.setattr(search, "MOST_FOLDS", 1)
        alone.append(choose(matrix, replace(free, seed=free.seed + fold * search.FOLD_STRIDE)).tried[0].reached)
    assert len(set(alone)) > 1
    assert whole == pytest.approx(np.mean(alone), abs=1e-3)
