"""Experiments in the store."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from recommendation.database.dialects.writing import insert
from recommendation.database.tables import experiments
from recommendation.database.versions import bump
from recommendation.errors import ExperimentRefused
from recommendation.experiments.experiment import BUCKETS, Experiment, Variant, versions_of
from recommendation.experiments.read_settings import ReadSettings
from recommendation.rows import FUTURE_ALLOWED

MOST_UNENDED = 20
"""Experiments that run or wait at a time: each takes some microseconds of every read."""


MOST_KEPT = 1000


MAY_CHANGE = ("description", "ends_at")
"""What may change once an experiment has started; anything else would mix users who were treated differently."""


def _any_models(_experiment: Experiment, _others: Sequence[Experiment]) -> None:
    """Allow any models."""


def put_experiment(
    connection: Connection,
    name: str,
    told: Callable[[datetime], Experiment],
    now: datetime,
    check_models: Callable[[Experiment, Sequence[Experiment]], None] = _any_models,
) -> Experiment:
    """
    Make an experiment known, or change it; the same experiment twice changes nothing, and outdates no reader.

    Before it starts everything may change, then `MAY_CHANGE` only. The version of all experiments is raised first: of
    two that want the last free users of a layer at the same moment, the second waits here and then sees what the first
    took. Two that begin the same experiment without a start do not differ either: the second has the start of the
    first.

    Args:
        told: makes the experiment, given the start that stands for one that is not said.
        check_models: refuses an experiment whose models readers cannot hold, beside others that run or wait.

    Returns:
        The experiment with the buckets that it holds.

    Raises:
        ExperimentRefused: it started, or others hold the users that it wants at that time.
    """
    there = get_experiment(connection, name)
    if there is not None and replace(told(there.starts_at), buckets=there.buckets) == there:
        return there
    bump(connection, "experiments", now)
    others = read_experiments(connection)
    known = next((other for other in others if other.name == name), None)
    experiment = told(known.starts_at if known else now)
    _refuse_changes(known, experiment, now)
    others = [other for other in others if other is not known]
    _refuse_too_many(others, experiment, now)
    _refuse_two_hands(others, experiment)
    if experiment.state(now) != "ended" and versions_of([experiment]) - _held(known, now):
        check_models(experiment, [other for other in others if other.state(now) != "ended"])
    stored = replace(experiment, buckets=_buckets(known, experiment, others, now))
    row = _row(stored)
    statement = insert(connection, experiments).values(row)
    values = {name: statement.excluded[name] for name in row if name != "name"}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
    return stored


def _refuse_changes(known: Experiment | None, experiment: Experiment, now: datetime) -> None:
    if known is None or known.starts_at > now:
        if experiment.starts_at < now - FUTURE_ALLOWED:
            raise ExperimentRefused("starts_at has passed: leave it out and the experiment starts now")
        return
    given, before = _values(experiment), _values(known)
    changed = sorted(name for name in given if given[name] != before[name] and name not in (*MAY_CHANGE, "buckets"))
    if changed:
        raise ExperimentRefused(
            f"{known.name} has started, so {', '.join(changed)} cannot change: end it, and begin another"
        )
    if known.state(now) == "ended" and experiment.ends_at != known.ends_at:
        raise ExperimentRefused(f"{known.name} has ended and cannot go on: begin another")


def _values(experiment: Experiment) -> dict[str, Any]:
    return {field.name: getattr(experiment, field.name) for field in fields(experiment)}


def _refuse_too_many(others: list[Experiment], experiment: Experiment, now: datetime) -> None:
    if len(others) >= MOST_KEPT:
        raise ExperimentRefused(f"{MOST_KEPT} experiments are kept: delete some that have ended")
    if experiment.state(now) != "ended" and sum(other.state(now) != "ended" for other in others) >= MOST_UNENDED:
        raise ExperimentRefused(f"{MOST_UNENDED} experiments run or wait: end some first")


def _refuse_two_hands(others: Iterable[Experiment], experiment: Experiment) -> None:
    """
    Refuse what an experiment of another layer sets too at the same time: a user may be in both, and gets one of them.

    Within a layer no user is in two experiments (Tang et al.: a parameter belongs to one layer).
    """
    for other in others:
        shared = sorted(other.parameters & experiment.parameters)
        if shared and other.layer != experiment.layer and _meet(other, experiment):
            raise ExperimentRefused(
                f"{other.name} of layer {other.layer!r} sets {', '.join(shared)} too at that time, and users may be in "
                "both: put them into one layer, each with some of its percent"
            )


def _held(known: Experiment | None, now: datetime) -> frozenset[str]:
    """Return the versions that readers hold for an experiment already."""
    return frozenset() if known is None or known.state(now) == "ended" else versions_of([known])


def _buckets(
    known: Experiment | None, experiment: Experiment, others: Iterable[Experiment], now: datetime
) -> frozenset[int]:
    """Return the buckets that an experiment holds: those it has, or the first free ones of its layer."""
    taken: set[int] = set()
    for other in others:
        if other.layer == experiment.layer and _meet(other, experiment):
            taken |= other.buckets
    if known is not None and (known.layer, known.percent) == (experiment.layer, experiment.percent):
        if not known.buckets & taken:
            return known.buckets
        if known.starts_at <= now:
            raise ExperimentRefused(f"another experiment has its users of layer {experiment.layer!r} from then on")
    free = [bucket for bucket in range(BUCKETS) if bucket not in taken]
    if len(free) < experiment.percent:
        raise ExperimentRefused(
            f"layer {experiment.layer!r} has {len(free)} percent of the users left at that time, not "
            f"{experiment.percent}: end another experiment, take fewer percent, or name another layer"
        )
    return frozenset(free[: experiment.percent])


def _meet(one: Experiment, other: Experiment) -> bool:
    """Tell whether two experiments run at the same time at some moment."""
    one_first = one.ends_at is None or other.starts_at < one.ends_at
    return one_first and (other.ends_at is None or one.starts_at < other.ends_at)


def end_experiment(connection: Connection, seen: Experiment, now: datetime) -> None:
    """
    End an experiment that has started; one that has ended stays as it is.

    Args:
        seen: the experiment as it was when someone decided that it ends.

    Raises:
        ExperimentRefused: it was deleted since, or begun anew.
    """
    bump(connection, "experiments", now)
    there = get_experiment(connection, seen.name)
    if there is None or replace(there, **{name: getattr(seen, name) for name in MAY_CHANGE}) != seen:
        raise ExperimentRefused(f"{seen.name} was deleted or begun anew meanwhile: read its report again")
    if there.state(now) != "ended":
        connection.execute(update(experiments).where(experiments.c.name == seen.name).values(ends_at=now))


def delete_experiment(connection: Connection, name: str, now: datetime) -> bool:
    """
    Delete an experiment, which ends it; tell whether it was there.

    The version is raised first, as `put_experiment` does: a delete that held the row and waited for the version, while
    a put held the version and waited for the row, would end in a deadlock.
    """
    if get_experiment(connection, name) is None:
        return False
    bump(connection, "experiments", now)
    return bool(connection.execute(delete(experiments).where(experiments.c.name == name)).rowcount)


def get_experiment(connection: Connection, name: str) -> Experiment | None:
    """Read an experiment."""
    row = connection.execute(select(experiments).where(experiments.c.name == name)).mappings().first()
    return None if row is None else _experiment(row)


def read_experiments(connection: Connection) -> list[Experiment]:
    """Read all experiments, by their names."""
    return [_experiment(row) for row in connection.execute(select(experiments).order_by(experiments.c.name)).mappings()]


def unended(connection: Connection, now: datetime) -> tuple[Experiment, ...]:
    """Read the experiments that run or wait, by their names: what readers need to know."""
    return tuple(one for one in read_experiments(connection) if one.state(now) != "ended")


def _row(experiment: Experiment) -> dict[str, Any]:
    variants = [_as_stored(variant) for variant in experiment.variants]
    return {**_values(experiment), "variants": variants, "buckets": sorted(experiment.buckets)}


def _as_stored(variant: Variant) -> dict[str, Any]:
    """Leave out what a variant does not set."""
    values = {name: value for name, value in vars(variant).items() if value is not None}
    return values if variant.settings is None else {**values, "settings": dict(variant.settings.changed)}


def _variant(stored: Mapping[str, Any]) -> Variant:
    settings = stored.get("settings")
    return Variant(**{**stored, "settings": None if settings is None else ReadSettings(**settings)})


def _experiment(row: Any) -> Experiment:
    return Experiment(
        **{**row, "variants": tuple(map(_variant, row["variants"])), "buckets": frozenset(row["buckets"])}
    )
