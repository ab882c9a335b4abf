"""Experiments in the store: what they may hold, and what may change."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from served import until
from shop import at_once
from sqlalchemy import text

from recommendation.database.database import Database
from recommendation.database.versions import present_versions
from recommendation.errors import ExperimentRefused
from recommendation.experiments import store
from recommendation.experiments.experiment import Experiment, parse_experiment
from recommendation.experiments.read_settings import ReadSettings
from recommendation.experiments.treatment import treatment
from recommendation.rows import RowError

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TYPES = frozenset({"purchased", "played"})
VARIANTS = [{"name": "as-ever", "share": 90}, {"name": "without", "share": 10, "placement": "off"}]


def parsed(name: str = "one", **more: Any) -> Experiment:
    return parse_experiment(name, {"variants": VARIANTS, **more}, TYPES, NOW)


def put(database: Database, experiment: Experiment, now: datetime = NOW) -> Experiment:
    with database.writing() as connection:
        return store.put_experiment(connection, experiment.name, lambda _: experiment, now)


def kept(database: Database) -> list[Experiment]:
    with database.reading() as connection:
        return store.read_experiments(connection)


def test_an_experiment_comes_back_as_it_was_put(database: Database) -> None:
    given = parsed(
        description="why", layer="second", percent=7, salt="s", ends_at="2026-12-01T00:00:00Z", window_days=3
    )
    assert put(database, given) == given
    assert kept(database) == [given]
    assert put(database, given, NOW + DAY) == given


def test_what_variants_change_comes_back_as_it_was_put(database: Database) -> None:
    changed = {"drop_slots": 0, "fresh_reads": False, "half_life_days": 30}
    variants = [
        {"name": "as-ever", "share": 50},
        {"name": "changed", "share": 25, "settings": changed},
        {"name": "older", "share": 25, "model_version": "v7", "settings": {"drop_slots": None}},
    ]
    given = parsed(variants=variants)
    assert [variant.settings for variant in given.variants] == [None, ReadSettings(0, False, 30.0), None]
    assert put(database, given) == given
    assert kept(database) == [given]


def test_two_layers_do_not_both_change_a_setting_but_each_another(database: Database) -> None:
    def changing(name: str, **settings: Any) -> Experiment:
        variants = [VARIANTS[0], {"name": "changed", "share": 10, "settings": settings}]
        return parsed(name, layer=name, variants=variants)

    put(database, changing("one", drop_slots=1))
    put(database, changing("two", fresh_reads=False))
    with pytest.raises(ExperimentRefused, match="one of layer 'one' sets drop_slots too at that time"):
        put(database, changing("three", drop_slots=2, half_life_days=9))
    put(database, changing("three", half_life_days=9))
    experiments = kept(database)
    given = (treatment(experiments, str(user), NOW) for user in range(9999))
    changed = next(one for one in given if {variant for _, variant in one.assigned} == {"changed"})
    assert changed.settings == ReadSettings(1, False, 9.0)


def test_experiments_of_a_layer_share_its_hundred_buckets(database: Database) -> None:
    first, second = put(database, parsed("one", percent=60)), put(database, parsed("two", percent=40))
    assert first.buckets | second.buckets == frozenset(range(100))
    with pytest.raises(ExperimentRefused, match="layer 'default' has 0 percent of the users left at that time, not 1"):
        put(database, parsed("three", percent=1))
    assert put(database, parsed("three", layer="other")).percent == 100
    put(database, replace(first, ends_at=NOW + DAY), NOW + 2 * DAY)
    later = (NOW + 3 * DAY).isoformat()
    assert put(database, parsed("four", percent=60, starts_at=later), NOW + 2 * DAY).buckets == first.buckets


def test_a_longer_run_is_refused_where_another_has_the_users_by_then(database: Database) -> None:
    first = put(database, parsed("one", ends_at=(NOW + DAY).isoformat()))
    put(database, parsed("two", starts_at=(NOW + 2 * DAY).isoformat()))
    put(database, replace(first, ends_at=NOW + 2 * DAY), NOW)
    with pytest.raises(ExperimentRefused, match="another experiment has its users"):
        put(database, replace(first, ends_at=NOW + 3 * DAY), NOW)


def test_two_that_want_the_last_users_at_one_moment_do_not_both_get_them(database: Database) -> None:
    works = [lambda name=name: put(database, parsed(name, percent=80)) for name in ("one", "two")]
    ended = at_once(*works)
    assert [type(one.error) for one in ended if one.error] == [ExperimentRefused]
    assert [len(experiment.buckets) for experiment in kept(database)] == [80]


@pytest.mark.parametrize(
    "change",
    [
        {"variants": [{"name": "as-ever", "share": 50}, {"name": "without", "share": 50, "placement": "off"}]},
        {"layer": "other"},
        {"percent": 50},
        {"salt": "other"},
        {"outcome": "played"},
        {"window_days": 3},
        {"exposure": "read"},
    ],
)
def test_only_description_and_end_change_once_it_started(change: dict[str, Any], database: Database) -> None:
    waiting = parsed(starts_at=(NOW + DAY).isoformat())
    put(database, waiting)
    put(database, parsed(**{"starts_at": (NOW + DAY).isoformat(), **change}))
    put(database, waiting)
    running = put(database, replace(waiting, description="told", ends_at=NOW + 9 * DAY), NOW + 2 * DAY)
    (field,) = change
    with pytest.raises(ExperimentRefused, match=f"one has started, so {field} cannot change"):
        put(database, replace(running, **{field: getattr(parsed(**change), field)}), NOW + 2 * DAY)
    assert kept(database) == [running]


def test_what_ended_does_not_go_on(database: Database) -> None:
    ended = put(database, parsed(ends_at=(NOW + DAY).isoformat()))
    assert put(database, ended, NOW + 2 * DAY) == ended
    with pytest.raises(ExperimentRefused, match="has ended and cannot go on"):
        put(database, replace(ended, ends_at=None), NOW + 2 * DAY)


def test_a_start_that_has_passed_is_refused(database: Database) -> None:
    with pytest.raises(ExperimentRefused, match="starts_at has passed"):
        put(database, parsed(starts_at=(NOW - DAY).isoformat()))


def test_so_many_run_at_a_time_and_no_more(database: Database) -> None:
    for number in range(store.MOST_UNENDED):
        put(database, parsed(f"e{number}", percent=1))
    put(database, parsed("e0", percent=1))
    with pytest.raises(ExperimentRefused, match="20 experiments run or wait"):
        put(database, parsed("more", percent=1))
    with database.writing() as connection:
        assert store.delete_experiment(connection, "e0", NOW)
        assert not store.delete_experiment(connection, "e0", NOW)
    put(database, parsed("more", percent=1))


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"variants": [VARIANTS[0], {"name": "new", "share": 10, "model_version": 12}]}, "invalid_model_version"),
        ({"variants": [VARIANTS[0], {"name": "new", "share": 10, "settings": {}}]}, "same_variants"),
        ({"variants": [VARIANTS[0], {"name": "new", "share": 10, "settings": []}]}, "invalid_settings"),
        ({"variants": [VARIANTS[0], {"name": "new", "share": 10, "settings": {"diversity": 2}}]}, "invalid_diversity"),
        (
            {"variants": [VARIANTS[0], {"name": "new", "share": 10, "settings": {"most_per_tag": 21}}]},
            "invalid_most_per_tag",
        ),
        ({"variants": [VARIANTS[0], {"name": "new", "share": 10, "settings": {"slots": 1}}]}, "unknown_setting"),
        ({"variants": [VARIANTS[0], {"name": "new", "share": 10, "settings": {"trend": "off"}}]}, "invalid_trend"),
        (
            {"variants": [VARIANTS[0], {"name": "new", "share": 10, "settings": {"shown_often": 1001}}]},
            "invalid_shown_often",
        ),
        (
            {"variants": [VARIANTS[0], {"name": "new", "share": 10, "settings": {"drop_slots": 101}}]},
            "invalid_drop_slots",
        ),
        (
            {"variants": [VARIANTS[0], {"name": "new", "share": 10, "settings": {"fresh_reads": 1}}]},
            "invalid_fresh_reads",
        ),
        (
            {"variants": [VARIANTS[0], {"name": "new", "share": 10, "settings": {"half_life_days": 0.001}}]},
            "invalid_half_life_days",
        ),
        (
            {"variants": [VARIANTS[0], {"name": "new", "share": 10, "settings": {"half_life_days": float("nan")}}]},
            "invalid_half_life_days",
        ),
        ({"variants": [VARIANTS[0], {"name": "new", "share": 10, "model_version": "v0"}]}, "invalid_model_version"),
        (
            {"variants": [VARIANTS[0], {"name": "new", "share": 10, "model_version": "v1", "lists": "popular"}]},
            "invalid_model_version",
        ),
        ({"variants": VARIANTS[:1]}, "invalid_variants"),
        ({"variants": [VARIANTS[0], {**VARIANTS[1], "name": "as-ever"}]}, "invalid_variants"),
        ({"variants": [VARIANTS[0], {**VARIANTS[1], "share": 11}]}, "invalid_share"),
        ({"variants": [VARIANTS[0], {**VARIANTS[1], "share": 10.0}]}, "invalid_share"),
        ({"variants": [VARIANTS[0], {**VARIANTS[1], "placement": "on"}]}, "same_variants"),
        ({"variants": [VARIANTS[0], {**VARIANTS[1], "placement": False}]}, "invalid_placement"),
        ({"variants": [VARIANTS[0], {**VARIANTS[1], "lists": "none"}]}, "invalid_lists"),
        ({"variants": [VARIANTS[0], {**VARIANTS[1], "model": "v1"}]}, "unknown_field"),
        ({"variants": [VARIANTS[0], {"share": 10}]}, "missing_field"),
        ({"variants": {}}, "invalid_variants"),
        ({"layer": "a/b"}, "invalid_layer"),
        ({"percent": 0}, "invalid_percent"),
        ({"percent": True}, "invalid_percent"),
        ({"salt": "-"}, "invalid_salt"),
        ({"description": "two\nlines"}, "invalid_description"),
        ({"outcome": "enjoyed"}, "unknown_outcome"),
        ({"outcome": ["played"]}, "unknown_outcome"),
        ({"window_days": 91}, "invalid_window_days"),
        ({"before_days": -1}, "invalid_before_days"),
        ({"starts_at": "tomorrow"}, "invalid_starts_at"),
        ({"ends_at": NOW.isoformat()}, "invalid_ends_at"),
        ({"models": []}, "unknown_field"),
        ({"exposure": "seen"}, "invalid_exposure"),
    ],
)
def test_what_is_wrong_is_named(more: dict[str, Any], code: str) -> None:
    with pytest.raises(RowError) as refused:
        parsed(**more)
    assert refused.value.code == code


@pytest.mark.parametrize("name", ["A", "a_b", "-a", "a" * 64, "ä"])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(RowError, match="name should be 1 to 63 small letters"):
        parsed(name)


def test_the_same_experiment_begun_twice_at_once_begins_once(database: Database) -> None:
    """Neither says when it starts, and each has a now of its own: the second has the start of the first."""

    def begin(turn: int) -> Experiment:
        now = NOW + timedelta(seconds=turn)
        with database.writing() as connection:
            return store.put_experiment(
                connection, "one", lambda start: parse_experiment("one", {"variants": VARIANTS}, TYPES, start), now
            )

    begun = at_once(*(partial(begin, turn) for turn in range(4)))
    assert [(one.error, one.value) for one in begun] == [(None, known) for known in kept(database)] * 4


@pytest.mark.postgres
def test_a_delete_waits_for_a_change_and_neither_is_lost_to_a_deadlock(postgres_url: str) -> None:
    """The change holds the version of all experiments and has not written its row yet; then the delete comes."""
    database, gone = Database(postgres_url), list[bool]()
    put(database, parsed())
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")

    def delete() -> None:
        with database.writing() as connection:
            gone.append(store.delete_experiment(connection, "one", NOW))

    def is_awaited() -> bool:
        with database.reading() as watching:
            return bool(watching.execute(waiting).scalar_one())

    deleting, asked = threading.Thread(target=delete), list[datetime]()

    def told(start: datetime) -> Experiment:
        asked.append(start)
        if len(asked) == 2:  # the version is raised, and the row is not written
            deleting.start()
            until(is_awaited)
        return parsed(description="told anew")

    with database.writing() as connection:
        store.put_experiment(connection, "one", told, NOW)
    deleting.join(30)
    assert (gone, kept(database)) == ([True], [])
    database.close()


def test_the_same_experiment_again_outdates_no_reader(database: Database) -> None:
    given = put(database, parsed(percent=40))
    with database.reading() as connection:
        before = present_versions(connection)
    assert put(database, parsed(percent=40), NOW + DAY) == given
    with database.reading() as connection:
        assert present_versions(connection) == before
    put(database, parsed(percent=40, description="told"), NOW + DAY)
    with database.reading() as connection:
        assert present_versions(connection) != before


def models_of(*versions: str, layer: str = "default", percent: int = 50, **more: Any) -> dict[str, Any]:
    """Say of an experiment that it compares the live model with others."""
    variants = [
        {"name": version, "share": 100 // (len(versions) + 1), "model_version": version} for version in versions
    ]
    live = {"name": "live", "share": 100 - sum(variant["share"] for variant in variants)}
    return {"variants": [live, *variants], "layer": layer, "percent": percent, **more}


def test_two_layers_do_not_both_name_models_at_one_time(database: Database) -> None:
    first = put(database, parsed("one", **models_of("v1")))
    with pytest.raises(ExperimentRefused, match="one of layer 'default' sets model_version too at that time"):
        put(database, parsed("two", **models_of("v2", layer="other")))
    put(database, parsed("two", **models_of("v2")))
    put(database, parsed("three", layer="third"))
    put(database, replace(first, ends_at=NOW + DAY))
    later = (NOW + 2 * DAY).isoformat()
    with database.writing() as connection:
        assert store.delete_experiment(connection, "two", NOW)
    put(database, parsed("four", **models_of("v2", layer="other", starts_at=later)))
    with pytest.raises(ExperimentRefused, match="sets model_version too"):
        put(database, replace(first, ends_at=NOW + 3 * DAY))


def test_models_are_checked_where_they_are_named_anew_and_not_again(database: Database) -> None:
    seen: list[tuple[str, list[str]]] = []

    def put_with(experiment: Experiment, now: datetime = NOW) -> None:
        def note(one: Experiment, others: Sequence[Experiment]) -> None:
            seen.append((one.name, [other.name for other in others]))

        with database.writing() as connection:
            store.put_experiment(connection, experiment.name, lambda _: experiment, now, note)

    put(database, parsed("over", layer="other", ends_at=(NOW + DAY).isoformat()))
    put(database, parsed("plain", layer="third"))
    given = models_of("v1", starts_at=(NOW + DAY).isoformat())
    put_with(parsed("one", **given), NOW + DAY)
    put_with(parsed("one", **given, description="told"), NOW + DAY)
    put_with(parsed("one", **given, ends_at=(NOW + 2 * DAY).isoformat()), NOW + 3 * DAY)
    assert seen == [("one", ["plain"])]


def test_deleting_what_is_not_there_outdates_no_reader(database: Database) -> None:
    put(database, parsed())
    with database.writing() as connection:
        before = present_versions(connection)
        assert not store.delete_experiment(connection, "other", NOW)
        assert present_versions(connection) == before
        assert store.delete_experiment(connection, "one", NOW)
        assert present_versions(connection) != before
