"""Whether it worked: an experiment's variants, what each earned, and how sure that is."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations
from math import ceil
from typing import Any

import numpy as np
from sqlalchemy import Connection

from recommendation.clock import rfc3339
from recommendation.experiments.chance import (
    ALPHA,
    POWER,
    grown,
    sample_ratio_p_value,
    users_needed,
    users_needed_at_every_look,
)
from recommendation.experiments.estimate import LEAST_USERS, Difference, Group, adjusted, difference
from recommendation.experiments.experiment import SHOWN_BY_SHOP, Experiment, Variant
from recommendation.experiments.exposures import Exposed, exposed_users, remembered_since
from recommendation.experiments.winner import Pair, Winner, winner

SAMPLE_RATIO_ALARM = 0.001
"""Below this p-value users are missing from a variant. Small, as it is looked at often."""


LEAST_EXPECTED = 5
"""Users to be expected in the smallest variant before the chi-square test is believed (Cochran, 1954)."""


@dataclass(frozen=True)
class Counted:
    """The users of one variant."""

    variant: Variant
    exposed: int
    group: Group
    """Those whose windows are over."""


def report(connection: Connection, experiment: Experiment, named: str | None, now: datetime) -> dict[str, Any]:
    """
    Return what an experiment showed until now; on one snapshot, as it reads more than once.

    Args:
        named: event type that is counted; None: the experiment's own.
    """
    outcome = named or experiment.outcome
    counted = count(experiment, exposed_users(connection, experiment, outcome, now))
    control, ratio = counted[0], _ratio_of(counted)
    return {
        "experiment": experiment.name,
        "state": experiment.state(now),
        "outcome": outcome,
        "exposure": experiment.exposure,
        "window_days": experiment.window_days,
        "before_days": experiment.before_days,
        "starts_at": rfc3339(experiment.starts_at),
        "ends_at": experiment.ends_at and rfc3339(experiment.ends_at),
        "counted_until": rfc3339(now),
        "sample_ratio": ratio,
        "winner": _winner(experiment, counted, now)._asdict(),
        "planned": _planned(connection, experiment, outcome, now) if experiment.state(now) == "scheduled" else None,
        "variants": [told_of(experiment, control, one, now) for one in counted],
    }


def sample_ratio(exposed: Sequence[int], shares: Sequence[int]) -> dict[str, Any]:
    """
    Say whether as many users were exposed in each variant as its share lets expect; with too few there is no telling.

    Example:
        850 and 150 users of shares 90 and 10 are a mismatch: the first variant lacks some fifty.
    """
    p_value = sample_ratio_p_value(exposed, shares)
    enough = sum(exposed) * min(shares) >= LEAST_EXPECTED * sum(shares)
    return {"p_value": p_value, "mismatch": enough and p_value < SAMPLE_RATIO_ALARM}


def winner_of(connection: Connection, experiment: Experiment, now: datetime) -> Winner:
    """Return the variant that is surely better than each other one by the experiment's own outcome; on one snapshot."""
    counted = count(experiment, exposed_users(connection, experiment, experiment.outcome, now))
    return _winner(experiment, counted, now)


def _winner(experiment: Experiment, counted: Sequence[Counted], now: datetime) -> Winner:
    users = [len(one.group.after) for one in counted]
    pairs = [
        Pair(one.variant.name, other.variant.name, _differs(experiment, one, other))
        for one, other in combinations(counted, 2)
        if min(users) >= LEAST_USERS
    ]
    return winner(experiment, users, pairs, _ratio_of(counted)["mismatch"], now)


def _ratio_of(counted: Sequence[Counted]) -> dict[str, Any]:
    return sample_ratio([one.exposed for one in counted], [one.variant.share for one in counted])


def _differs(experiment: Experiment, one: Counted, other: Counted) -> Difference:
    return difference(one.group, other.group, _seed(experiment, other.variant))


def _planned(connection: Connection, experiment: Experiment, outcome: str, now: datetime) -> dict[str, Any] | None:
    """
    Return the sample size that users of the last weeks let expect; None where too few were shown anything. Lists that
    were read count only from the start on, so that before it `shown` feedback stands for them.

    Ids of interactions are remembered for a week, longer only where an experiment that is known needs them. Where they
    are not for both windows, outcomes are undercounted, and fewer users are needed than it says: `is_complete` tells
    that. It does not tell of the days before them, without which the adjustment takes less out.
    """
    window = timedelta(days=experiment.window_days)
    lately = replace(experiment, starts_at=now - 2 * window, ends_at=now - window, exposure=SHOWN_BY_SHOP)
    users = list(exposed_users(connection, lately, outcome, now))
    after, before = (np.array([getattr(user, name) for user in users], np.float64) for name in ("after", "before"))
    smallest = float(after.mean()) * experiment.smallest_effect_percent / 100 if users else 0.0
    if len(users) < LEAST_USERS or not smallest:
        return None
    variance = float(adjusted(after, before).var(ddof=1))
    others, since = experiment.variants[1:], remembered_since(connection, outcome, now)
    return {
        "users": len(users),
        "mean": float(after.mean()),
        "remembered_since": since and rfc3339(since),
        "is_complete": since is None or since <= lately.starts_at,
        "variants": [
            {"variant": one.name, **_needed((variance, variance), after.mean(), experiment, one)} for one in others
        ],
    }


def _needed(variances: tuple[float, float], mean: float, experiment: Experiment, one: Variant) -> dict[str, int]:
    """Return the users that a variant and the first one need together; the effect raises a variance, too."""
    relative, control = experiment.smallest_effect_percent / 100, experiment.variants[0]
    given = (variances[0], max(variances[1], grown(variances[0], relative)))
    effect, share = mean * relative, one.share / (one.share + control.share)
    return {
        "users_needed": ceil(users_needed(given, effect, share)),
        "users_needed_at_every_look": ceil(users_needed_at_every_look(given, effect, share)),
    }


def count(experiment: Experiment, exposed: Iterable[Exposed]) -> list[Counted]:
    """Put users into their variants, in the order of the variants; those outside the experiment are left out."""
    users: dict[str, int] = {variant.name: 0 for variant in experiment.variants}
    after: dict[str, list[int]] = {name: [] for name in users}
    before: dict[str, list[int]] = {name: [] for name in users}
    for user in exposed:
        variant = experiment.variant_of(user.user_id)
        if variant is None:
            continue
        users[variant.name] += 1
        if user.is_over:
            after[variant.name].append(user.after)
            before[variant.name].append(user.before)
    return [
        Counted(
            variant,
            users[variant.name],
            Group(np.array(after[variant.name], np.float64), np.array(before[variant.name], np.float64)),
        )
        for variant in experiment.variants
    ]


def told_of(experiment: Experiment, control: Counted, one: Counted, now: datetime) -> dict[str, Any]:
    """Say how a variant does beside the first one, `control`."""
    counted = len(one.group.after)
    told: dict[str, Any] = {
        "variant": one.variant.name,
        "exposed": one.exposed,
        "counted": counted,
        "mean": float(one.group.after.mean()) if counted else None,
        "compared": None,
    }
    if one is control:
        return told
    least = min(counted, len(control.group.after))
    if least < LEAST_USERS:
        return {**told, "compared": _too_few(experiment, now)}
    return {**told, "compared": _compared(experiment, control, one, _differs(experiment, control, one), now)}


def _seed(experiment: Experiment, variant: Variant) -> int:
    """Return a seed that is the same on every replica."""
    return int.from_bytes(hashlib.sha256(f"{experiment.name}/{variant.name}".encode()).digest()[:8], "big")


_NOTHING = dict.fromkeys(
    (
        "difference", "low", "high", "one_look_low", "one_look_high", "relative", "p_value", "variance_left",
        "users_needed", "users_needed_at_every_look",
    )
)  # fmt: skip


_NOT_NEEDED = {"users_needed": None, "users_needed_at_every_look": None}


def _too_few(experiment: Experiment, now: datetime) -> dict[str, Any]:
    return {"state": "TooFewUsers" if _is_over(experiment, now) else "Collecting", **_NOTHING}


def _compared(
    experiment: Experiment, control: Counted, one: Counted, found: Difference, now: datetime
) -> dict[str, Any]:
    mean = float(control.group.after.mean())
    smallest = mean * experiment.smallest_effect_percent / 100
    needed = _needed(found.user_variances, mean, experiment, one.variant) if smallest else _NOT_NEEDED
    return {
        "state": verdict(found, smallest, _is_over(experiment, now)),
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "one_look_low": found.one_look_low,
        "one_look_high": found.one_look_high,
        "relative": found.difference / mean if mean else None,
        "p_value": found.p_value,
        "variance_left": found.variance_left,
        **needed,
    }


def verdict(found: Difference, smallest: float, is_over: bool) -> str:
    """
    Say what a difference means: `Significant`, `NoEffect`, or `Collecting` where more users may tell.

    `NoEffect`: the whole interval lies within the smallest effect worth finding, or no more users come and 0 is in it.
    """
    if found.is_significant:
        return "Significant"
    if is_over or (-smallest < found.low and found.high < smallest):
        return "NoEffect"
    return "Collecting"


def _is_over(experiment: Experiment, now: datetime) -> bool:
    """Tell whether the window of the last user who can have been exposed is over."""
    end = experiment.ends_at
    return end is not None and now >= end + timedelta(days=experiment.window_days)


def as_text(told: dict[str, Any]) -> str:
    """Write a report for people."""
    before = f", adjusted by the {told['before_days']} days before the start" if told["before_days"] else ""
    window = f"{told['window_days']} days from the first exposure{before}"
    lines = [f"{told['experiment']}: {told['state']}, {told['outcome']} per user in {window}"]
    planned = told["planned"]
    if planned is not None:
        needed = ", ".join(
            f"{one['users_needed']} for {one['variant']} ({one['users_needed_at_every_look']} if looked at on and on)"
            for one in planned["variants"]
        )
        lines.append(f"  before it: {planned['users']} users, mean {planned['mean']:.4g}; users needed: {needed}")
        if not planned["is_complete"]:
            lines.append(
                f"  that is too many: interactions are remembered since {planned['remembered_since']} only; ask again "
                "some days after the experiment became known"
            )
    ratio = told["sample_ratio"]
    if ratio["mismatch"]:
        lines.append(
            f"WARNING: users are missing from a variant (sample ratio mismatch, p = {ratio['p_value']:.2g}); the "
            "differences below tell nothing until it is known why"
        )
    return "\n".join([*lines, *(_line(one) for one in told["variants"]), _last_line(told["winner"])])


def _last_line(won: dict[str, Any]) -> str:
    return f"  no winner: {won['undecided']}" if won["variant"] is None else f"  the winner: {won['variant']}"


def _line(one: dict[str, Any]) -> str:
    mean = "no user counts yet" if one["mean"] is None else f"mean {one['mean']:.4g}"
    start = f"  {one['variant']}: {one['exposed']} users exposed, {one['counted']} counted, {mean}"
    found = one["compared"]
    if found is None:
        return start
    if found["difference"] is None:
        return f"{start}; {found['state']}: each group needs {LEAST_USERS} users whose window is over"
    relative = "" if found["relative"] is None else f" ({found['relative']:+.1%})"
    interval = f"{1 - ALPHA:.0%} interval {found['low']:+.4g} to {found['high']:+.4g}, right at every look"
    chance = "" if found["p_value"] is None else f"; permutation test p = {found['p_value']:.3g}"
    needed = "" if found["users_needed"] is None else f"; one look finds the smallest effect in {POWER:.0%} of such "
    needed += f"experiments with {found['users_needed']} users" if needed else ""
    needed += f", looks on and on with {found['users_needed_at_every_look']}" if needed else ""
    return f"{start}\n    {found['state']}: {found['difference']:+.4g}{relative}, {interval}{chance}{needed}"
