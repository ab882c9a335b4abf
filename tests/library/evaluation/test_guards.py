"""Data that does not look like many people, or like that of yesterday, is told of with numbers."""

from dataclasses import replace

import numpy as np
import pytest

from recommendation.evaluation.guards import Findings, LiveData, look_at
from recommendation.matrix.matrix import InteractionMatrix
from stores import fitted

NOTHING = LiveData()


@pytest.fixture(scope="module")
def sound() -> InteractionMatrix:
    """600 users with two of ten tastes each, beside a little chance."""
    rng = np.random.default_rng(1)
    users, games = [], []
    for user in range(600):
        likes = np.concatenate([np.arange(20) + 20 * taste for taste in rng.choice(10, 2, replace=False)])
        mine = {*rng.choice(likes, 14, replace=False).tolist(), *rng.choice(200, 3).tolist()}
        users += [f"u{user:03}"] * len(mine)
        games += [f"g{game:03}" for game in sorted(mine)]
    return InteractionMatrix.from_pairs(users, games, np.ones(len(users)))


@pytest.fixture(scope="module")
def live(sound: InteractionMatrix) -> LiveData:
    return LiveData(look_at(sound, NOTHING).facts, fitted(sound))


def with_more(matrix: InteractionMatrix, users: list[str], games: list[str]) -> InteractionMatrix:
    all_users = [*matrix.users.ids(matrix.user_rows), *users]
    all_games = [*matrix.games.ids(matrix.indices), *games]
    return InteractionMatrix.from_pairs(all_users, all_games, np.ones(len(all_users)))


def bots(matrix: InteractionMatrix, count: int) -> InteractionMatrix:
    return with_more(
        matrix, [f"bot{n}" for n in range(count) for _ in range(10)], [f"g{n:03}" for n in range(10)] * count
    )


def names(found: Findings) -> set[str]:
    return {sentence.partition(":")[0] for sentence in found.against}


def test_sound_data_passes_as_the_first_and_beside_itself(sound: InteractionMatrix, live: LiveData) -> None:
    assert look_at(sound, NOTHING).against == look_at(sound, live).against == ()
    half = sound.only_pairs(np.random.default_rng(3).random(sound.pairs) < 0.8)
    assert look_at(half, live).against == ()


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_bots_with_one_history_are_found_without_a_live_model(sound: InteractionMatrix, share: float) -> None:
    found = look_at(bots(sound, int(600 * share)), NOTHING)
    assert "same histories" in names(found)
    assert "%" in found.against[0]


def test_one_game_for_everyone_is_found(sound: InteractionMatrix, live: LiveData) -> None:
    everyone = list(sound.users.all_ids)
    assert names(look_at(with_more(sound, everyone, ["g-new"] * 600), NOTHING)) == {"one game"}
    assert names(look_at(with_more(sound, everyone[:250], ["g-new"] * 250), live)) == {"one game"}
    assert look_at(with_more(sound, everyone[:100], ["g-new"] * 100), live).against == ()


def test_users_and_pairs_that_are_gone_are_found(sound: InteractionMatrix, live: LiveData) -> None:
    assert names(look_at(sound.of_users(np.arange(300)), live)) == {"users", "pairs"}
    assert look_at(sound.of_users(np.arange(300)), replace(live, facts={})).against == ()


def test_a_store_that_lost_nearly_everyone_is_judged_beside_what_it_had(
    sound: InteractionMatrix, live: LiveData
) -> None:
    assert names(look_at(sound.of_users(np.arange(3)), live)) == {"users", "pairs"}


def test_what_went_live_accepted_is_told_of_again_only_when_it_grows(sound: InteractionMatrix) -> None:
    gift = with_more(sound, list(sound.users.all_ids), ["g-new"] * 600)
    accepted = LiveData(look_at(gift, NOTHING).facts, fitted(gift))
    assert look_at(gift, accepted).against == ()
    of_bots = bots(sound, 100)
    accepted = LiveData(look_at(of_bots, NOTHING).facts, fitted(of_bots))
    assert look_at(of_bots, accepted).against == ()
    assert names(look_at(bots(sound, 200), accepted)) == {"same histories"}


def test_a_small_store_is_not_judged(sound: InteractionMatrix) -> None:
    small = look_at(bots(sound.of_users(np.arange(100)), 50), NOTHING)
    assert (small.against, small.facts["active"]) == ((), 150.0)


def test_the_same_data_gives_the_same_findings(sound: InteractionMatrix) -> None:
    assert look_at(sound, NOTHING) == look_at(sound, NOTHING)
