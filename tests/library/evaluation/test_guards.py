"""Data that does not look like many people, or like that of yesterday, is told of with numbers."""

from dataclasses import replace

import numpy as np
import pytest

from recommendation.evaluation import guards
from recommendation.evaluation.guards import Findings, LiveData
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts
from stores import fitted, set_aside, to_fit

NOTHING = LiveData()


pytestmark = pytest.mark.xdist_group("guards")  # what the fixtures of the module cost is paid once


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
    return gone_live(sound)


def look_at(matrix: InteractionMatrix, live: LiveData, accepting: bool = False) -> Findings:
    return guards.look_at(MatrixParts.of(matrix), live, accepting)


def gone_live(matrix: InteractionMatrix, before: LiveData = NOTHING, min_interactions: int = 1) -> LiveData:
    """What is remembered of data that was accepted, with a model that was fitted to it as a training does."""
    facts = look_at(matrix, before, accepting=True).facts
    split = set_aside(matrix)
    return LiveData(facts, split.rule.kept_with(fitted(to_fit(split), min_interactions=min_interactions)))


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
    assert "accepted_alike" not in found.facts


def test_one_game_for_everyone_is_found(sound: InteractionMatrix, live: LiveData) -> None:
    everyone = list(sound.users.all_ids)
    assert names(look_at(with_more(sound, everyone, ["g-new"] * 600), NOTHING)) == {"one game"}
    assert names(look_at(with_more(sound, everyone[:250], ["g-new"] * 250), live)) == {"one game"}
    assert look_at(with_more(sound, everyone[:100], ["g-new"] * 100), live).against == ()


def test_users_and_pairs_that_are_gone_are_found(sound: InteractionMatrix, live: LiveData) -> None:
    # Fewer users leave less to see of their tastes, too.
    assert names(look_at(sound.of_users(np.arange(300)), live)) == {"users", "pairs", "structure"}
    assert look_at(sound.of_users(np.arange(300)), replace(live, facts={})).against == ()


def test_a_store_that_lost_nearly_everyone_is_judged_beside_what_it_had(
    sound: InteractionMatrix, live: LiveData
) -> None:
    assert names(look_at(sound.of_users(np.arange(3)), live)) == {"users", "pairs"}


def test_what_went_live_accepted_is_told_of_again_only_when_it_grows(sound: InteractionMatrix) -> None:
    gift = with_more(sound, list(sound.users.all_ids), ["g-new"] * 600)
    accepted = gone_live(gift)
    assert look_at(gift, accepted).against == ()
    of_bots = bots(sound, 100)
    accepted = gone_live(of_bots)
    assert look_at(of_bots, accepted).against == ()
    assert names(look_at(bots(sound, 200), accepted)) == {"same histories"}


def test_the_best_structure_is_remembered_while_the_store_is_too_small_to_be_judged(
    sound: InteractionMatrix, live: LiveData
) -> None:
    small = look_at(sound.of_users(np.arange(60)), live, accepting=True)
    best = live.facts["structure_best"]
    assert small.facts["structure_best"] == best
    few_games = sound.only_pairs(sound.indices < 20).without_empty()
    without = look_at(few_games, LiveData({"structure_best": best}))
    assert (without.facts["structure_best"], "structure" in without.facts) == (best, False)


def test_small_steps_from_what_was_accepted_are_told_of_once_they_add_up(sound: InteractionMatrix) -> None:
    accepted = gone_live(bots(sound, 45))
    assert accepted.facts["accepted_alike"] == accepted.facts["alike"] == 45 / 645
    grown = bots(sound, 76)
    assert look_at(grown, accepted).against == ()
    after = gone_live(grown, accepted)
    assert (after.facts["alike"], after.facts["accepted_alike"]) == (76 / 676, 45 / 645)
    assert names(look_at(bots(sound, 110), after)) == {"same histories"}
    assert gone_live(bots(sound, 110), after).facts["accepted_alike"] == 110 / 710


def test_what_was_accepted_is_forgotten_once_the_share_is_within_its_bound(sound: InteractionMatrix) -> None:
    accepted = gone_live(bots(sound, 100))
    few = look_at(sound.of_users(np.arange(150)), accepted)
    assert few.facts["accepted_alike"] == 100 / 700
    back = gone_live(sound, accepted)
    assert "accepted_alike" not in back.facts
    assert names(look_at(bots(sound, 100), back)) == {"same histories"}


def test_users_who_have_one_game_alone_are_in_no_fit_and_no_gain(sound: InteractionMatrix) -> None:
    """400 users have only the game that each account comes with, which 400 others do not have."""
    users = [*(f"only{n}" for n in range(400)), *(f"u{n:03}" for n in range(400) for _ in range(10))]
    games = [*["welcome"] * 400, *(f"g{game:03}" for n in range(400) for game in range(n % 20, n % 20 + 10))]
    matrix = InteractionMatrix.from_pairs(users, games, np.ones(len(users)))
    live = gone_live(matrix, min_interactions=2)
    assert live.model is not None
    assert "welcome" not in live.model.games
    assert look_at(matrix, live).against == ()
    given = look_at(with_more(matrix, [f"u{n:03}" for n in range(340)], ["welcome"] * 340), live)
    assert [sentence.partition(" of all")[2] for sentence in given.against] == [
        " users enter the fit with the game welcome, 0.0% did in the live model"
    ]


def test_a_small_store_is_not_judged(sound: InteractionMatrix) -> None:
    small = look_at(bots(sound.of_users(np.arange(100)), 50), NOTHING)
    assert (small.against, small.facts["active"]) == ((), 150.0)


def mixed_up(matrix: InteractionMatrix, share: float) -> InteractionMatrix:
    rng = np.random.default_rng(4)
    games, moved = matrix.indices.copy(), np.flatnonzero(rng.random(matrix.pairs) < share)
    games[moved] = games[rng.permutation(moved)]
    return InteractionMatrix.from_codes(matrix.users, matrix.games, matrix.user_rows, games, matrix.scores)


def test_games_that_are_mixed_up_among_users_are_found_without_a_live_model(sound: InteractionMatrix) -> None:
    found = look_at(mixed_up(sound, 1.0), NOTHING)
    assert names(found) == {"structure"}
    assert "sound data has 1.05 or more: look for a column that shifted" in found.against[0]
    assert look_at(mixed_up(sound, 0.3), NOTHING).against == ()


def test_beside_the_live_model_a_part_that_is_mixed_up_is_found(sound: InteractionMatrix, live: LiveData) -> None:
    found = look_at(mixed_up(sound, 0.3), live)
    assert names(found) == {"structure"}
    assert f"{live.facts['structure']:.2f} before" in found.against[0]
    assert look_at(mixed_up(sound, 0.05), live).against == ()


def test_structure_that_goes_in_small_steps_is_found_once_they_add_up(sound: InteractionMatrix, live: LiveData) -> None:
    facts = live.facts
    for share in (0.04, 0.08):
        found = look_at(mixed_up(sound, share), LiveData(facts))
        assert found.against == ()
        assert found.facts["structure"] < found.facts["structure_best"] == live.facts["structure"]
        facts = found.facts
    assert names(look_at(mixed_up(sound, 0.3), LiveData(facts))) == {"structure"}


def test_structure_that_was_accepted_is_the_measure_from_then_on(sound: InteractionMatrix, live: LiveData) -> None:
    mixed = mixed_up(sound, 0.3)
    accepted = look_at(mixed, live, accepting=True).facts
    assert accepted["structure_best"] == accepted["structure"]
    assert look_at(mixed, LiveData(accepted)).against == ()
    # Where chance alone was accepted, there is nothing to lose: only a word is said.
    chance = look_at(mixed_up(sound, 1.0), NOTHING, accepting=True).facts
    assert look_at(mixed_up(sound, 1.0), LiveData(chance)).against == ()


def test_a_thin_store_is_only_warned() -> None:
    rng = np.random.default_rng(6)
    rows = [(user, game) for user in range(300) for game in rng.choice(150, 5, replace=False)]
    thin = InteractionMatrix.from_pairs([f"u{u}" for u, _ in rows], [f"g{g}" for _, g in rows], np.ones(len(rows)))
    found = look_at(thin, NOTHING)
    assert found.against == ()
    assert [sentence.partition(":")[0] for sentence in found.warned] == ["structure"]


def test_the_same_data_gives_the_same_findings(sound: InteractionMatrix) -> None:
    assert look_at(sound, NOTHING) == look_at(sound, NOTHING)


def alike(matrix: InteractionMatrix, count: int) -> InteractionMatrix:
    """Bots that have three of four of the same 20 games each, and hardly ever the very same."""
    rng = np.random.default_rng(5)
    bots, games = np.nonzero(rng.random((count, 20)) < 0.75)
    return with_more(matrix, [f"bot{n}" for n in bots], [f"g{10 * n:03}" for n in games])


@pytest.mark.parametrize("count", [60, 180])
def test_a_crowd_of_bots_with_nearly_the_same_games_is_found_without_a_live_model(
    sound: InteractionMatrix, count: int
) -> None:
    found = look_at(alike(sound, count), NOTHING)
    assert names(found) == {"a crowd"}
    assert found.facts["alike"] < 0.05 < found.facts["crowd"]


def test_a_crowd_that_was_accepted_may_stay_and_sound_data_has_none(sound: InteractionMatrix) -> None:
    assert look_at(sound, NOTHING).facts["crowd"] == 0.0
    accepted = gone_live(alike(sound, 60))
    assert look_at(alike(sound, 60), accepted).against == ()
    assert names(look_at(alike(sound, 180), accepted)) >= {"a crowd"}


def test_in_a_catalogue_of_few_games_chance_makes_users_alike_and_no_crowd() -> None:
    rng = np.random.default_rng(6)
    users, games = np.nonzero(rng.random((400, 40)) < np.linspace(0.9, 0.2, 40))
    matrix = InteractionMatrix.from_pairs([f"u{n:03}" for n in users], [f"g{n:02}" for n in games], np.ones(len(users)))
    assert look_at(matrix, NOTHING).facts["crowd"] == 0.0
