"""
An experiment: variants of a list, the users that get them, and what is counted to tell whether it worked.

Experiments of one layer exclude each other: each holds some of the layer's hundred buckets, and a user is in one.
Layers are independent of each other (Tang, Agarwal, O'Brien and Meyer, "Overlapping Experiment Infrastructure", KDD
2010).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from recommendation.experiments.assignment import hash_of, part_of_hundred
from recommendation.experiments.read_settings import ReadSettings, parse_read_settings
from recommendation.rows import RowError, as_fields, optional_time, whole_number

BUCKETS = 100
"""Buckets of a layer; a bucket is a hundredth of all users."""


MOST_VARIANTS = 5


MAX_DESCRIPTION = 500


MAX_DAYS = 90
"""Days of a window: items shown are kept so long (`operations.retention.HISTORY`)."""


NAME_RULE = "1 to 63 small letters, digits and '-', with a letter or digit at both ends"


_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


_VARIANT_FIELDS = frozenset({"name", "share", "placement", "lists", "model_version", "settings"})


SHOWN_BY_SHOP, READ = "shown", "read"
"""What exposes a user: `shown` feedback, or a list that was read."""


_VERSION = re.compile(r"v[1-9][0-9]{0,17}")


EXPERIMENT_FIELDS = frozenset(
    {
        "description", "layer", "percent", "salt", "variants", "starts_at", "ends_at",
        "outcome", "window_days", "before_days", "smallest_effect_percent", "exposure",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """One of the lists that are compared; the first variant of an experiment is the one that others are compared to."""

    name: str
    share: int
    """Percent of the experiment's users."""
    placement: bool = True
    """Whether drops get their places in the user's list."""
    personal: bool = True
    """Whether the list is personal; False puts popular games in its place."""
    model_version: str | None = None
    """The model that ranks the list; None: the live one."""
    settings: ReadSettings | None = None
    """What it changes of how lists are read; None: nothing."""

    @property
    def fades(self) -> bool:
        """Whether it has a half-life of its own."""
        return self.settings is not None and bool(self.settings.half_life_days)

    @property
    def parameters(self) -> frozenset[str]:
        """What it sets that has one value at a time, unlike what variants of several experiments may take away."""
        named = () if self.model_version is None else ("model_version",)
        return frozenset((*named, *(self.settings.changed if self.settings is not None else ())))


@dataclass(frozen=True)
class Experiment:
    """What is compared, among whom, when, and by which outcome."""

    name: str
    variants: tuple[Variant, ...]
    starts_at: datetime
    ends_at: datetime | None = None
    """None: until someone ends it, as a lasting holdout does."""
    layer: str = "default"
    percent: int = 100
    """How many of the layer's buckets it holds."""
    buckets: frozenset[int] = frozenset(range(BUCKETS))
    salt: str = ""
    """What draws its users anew: two experiments of one salt give a user the same share."""
    description: str | None = None
    outcome: str = "purchased"
    """Event type that is counted."""
    window_days: int = 7
    """Days from a user's first exposure in which outcomes count."""
    before_days: int = 14
    """Days before the start in which the same events tell what the user does anyway; 0: they do not."""
    smallest_effect_percent: int = 5
    """The smallest change of the mean that is worth finding; sample sizes are told for it."""
    exposure: str = SHOWN_BY_SHOP
    """What exposes a user: `shown` feedback, or a list that was read (`read`)."""

    def state(self, now: datetime) -> str:
        """Return `scheduled`, `running` or `ended`."""
        if self.ends_at is not None and now >= self.ends_at:
            return "ended"
        return "running" if self.is_running(now) else "scheduled"

    def is_running(self, now: datetime) -> bool:
        """Tell whether it runs at a moment."""
        return self.starts_at <= now and (self.ends_at is None or now < self.ends_at)

    def variant_of(self, user_id: str) -> Variant | None:
        """
        Return the variant of a user, None for one whom it leaves out; a matter of ids alone, not of time.

        Example:
            Of an experiment that holds all buckets of its layer, with shares 90 and 10, nine users of ten get the
            first variant, on every replica and for as long as layer, salt and shares stay.
        """
        if len(self.buckets) < BUCKETS and part_of_hundred(self._layer_hash, user_id) not in self.buckets:
            return None
        part = part_of_hundred(self._variant_hash, user_id)
        for variant in self.variants:
            part -= variant.share
            if part < 0:
                return variant
        return None

    @property
    def parameters(self) -> frozenset[str]:
        """What some variant of it sets."""
        return frozenset().union(*(variant.parameters for variant in self.variants))

    @cached_property
    def _layer_hash(self) -> Any:
        return hash_of("layer", self.layer)

    @cached_property
    def _variant_hash(self) -> Any:
        return hash_of("variant", self.salt or self.name)


def versions_of(experiments: Iterable[Experiment]) -> frozenset[str]:
    """Return the model versions that variants name."""
    named = (variant.model_version for one in experiments for variant in one.variants)
    return frozenset(version for version in named if version is not None)


def is_name(value: object) -> bool:
    """Tell whether a value can name an experiment, a variant or a layer."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def parse_experiment(name: str, body: object, known_types: frozenset[str], usual_start: datetime) -> Experiment:
    """
    Check what is said of an experiment. The store gives it its buckets.

    Args:
        known_types: event types that can be an outcome.
        usual_start: stands for a start that is not said.

    Example:
        `{"variants": [{"name": "as-ever", "share": 90}, {"name": "no-drops", "share": 10, "placement": "off"}]}`

    Raises:
        RowError: what is wrong with it.
    """
    _named("name", name)
    fields = as_fields(body, EXPERIMENT_FIELDS, required=("variants",))
    starts_at, ends_at = optional_time(fields, "starts_at") or usual_start, optional_time(fields, "ends_at")
    if ends_at is not None and ends_at <= starts_at:
        raise RowError("invalid_ends_at", "ends_at should be later than starts_at, which is now where it is absent")
    outcome = "purchased" if fields.get("outcome") is None else fields["outcome"]
    if not isinstance(outcome, str) or outcome not in known_types:
        raise RowError("unknown_outcome", f"outcome should be one of {', '.join(sorted(known_types))}")
    percent = whole_number(fields, "percent", 1, BUCKETS, absent=BUCKETS)
    return Experiment(
        name=name,
        variants=_variants(fields["variants"]),
        starts_at=starts_at,
        ends_at=ends_at,
        layer=_named("layer", "default" if fields.get("layer") is None else fields["layer"]),
        percent=percent,
        buckets=frozenset(range(percent)),
        salt=_named("salt", name if fields.get("salt") is None else fields["salt"]),
        description=_description(fields.get("description")),
        outcome=outcome,
        window_days=whole_number(fields, "window_days", 1, MAX_DAYS, absent=7),
        before_days=whole_number(fields, "before_days", 0, MAX_DAYS, absent=14),
        smallest_effect_percent=whole_number(fields, "smallest_effect_percent", 1, 1000, absent=5),
        exposure=SHOWN_BY_SHOP if _choice(fields, "exposure", SHOWN_BY_SHOP, READ) else READ,
    )


def _variants(value: object) -> tuple[Variant, ...]:
    if not isinstance(value, list) or not 2 <= len(value) <= MOST_VARIANTS:
        raise RowError("invalid_variants", f"variants should be a list of 2 to {MOST_VARIANTS}")
    variants = tuple(map(_variant, value))
    if len({variant.name for variant in variants}) != len(variants):
        raise RowError("invalid_variants", "each variant should have a name of its own")
    total = sum(variant.share for variant in variants)
    if total != 100:
        raise RowError("invalid_share", f"the shares of the variants should sum to 100 percent, not {total}")
    if len({replace(variant, name="", share=0) for variant in variants}) == 1:
        raise RowError("same_variants", "all variants get the same list: say what one of them changes")
    return variants


def _variant(value: object) -> Variant:
    fields = as_fields(value, _VARIANT_FIELDS, required=("name", "share"))
    variant = Variant(
        _named("name", fields["name"]),
        whole_number(fields, "share", 1, 99, absent=1),
        _choice(fields, "placement", "on", "off"),
        _choice(fields, "lists", "personal", "popular"),
        _version(fields.get("model_version")),
        parse_read_settings(fields.get("settings")),
    )
    if variant.model_version is not None and not variant.personal:
        raise RowError("invalid_model_version", "no model ranks lists that are popular: leave model_version out")
    return variant


def _version(value: object) -> str | None:
    if value is not None and not (isinstance(value, str) and _VERSION.fullmatch(value)):
        raise RowError("invalid_model_version", "model_version should be a version such as v12; GET /models lists them")
    return value


def _choice(fields: dict[str, object], name: str, usual: str, other: str) -> bool:
    value = usual if fields.get(name) is None else fields[name]
    if value not in (usual, other):
        raise RowError(f"invalid_{name}", f"{name} should be {usual} or {other}")
    return value == usual


def _named(field: str, value: object) -> str:
    if not is_name(value):
        raise RowError(f"invalid_{field}", f"{field} should be {NAME_RULE}")
    return str(value)


def _description(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_DESCRIPTION or not value.isprintable():
        raise RowError(
            "invalid_description", f"description should be at most {MAX_DESCRIPTION} printable characters on one line"
        )
    return value
