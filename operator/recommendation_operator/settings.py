"""
All settings of the operator. Each stands once, as a field with its variable, default, unit and reason.

The loader and the table in docs/content-drops.md come from these fields.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class SettingsInvalid(Exception):
    """A setting is missing or makes no sense; the message names it."""


def described(
    reason: str, parse: Callable[[str], Any], takes: str, *, unit: str = "", variable: str | None = None
) -> Mapping[str, Any]:
    """
    Describe a setting, for `dataclasses.field`.

    Args:
        parse: reads a text that is not blank; raises ValueError where it cannot be used.
        takes: the values that are taken, as they end the sentence `it must be ...`.
        variable: its name in the environment; None makes it `RECOMMENDATION_OPERATOR_<FIELD>`.
    """
    return {"reason": reason, "parse": parse, "takes": takes, "unit": unit, "variable": variable}


def seconds(reason: str) -> Mapping[str, Any]:
    """Describe a time span."""
    return described(reason, _not_negative(float), "a number from 0", unit="seconds")


def _not_negative(kind: type[int] | type[float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not value >= 0:
            raise ValueError(text)
        return value

    return parse


@dataclass(frozen=True)
class OperatorSettings:
    service_url: str = field(
        metadata=described(
            "where the recommendation service answers, such as `http://recommendation:8010`.",
            str,
            "a URL",
            variable="RECOMMENDATION_SERVICE_URL",
        )
    )
    job_template: Path = field(
        metadata=described(
            "file with the regeneration Job's manifest: the chart's, with its image; read again for each Job.",
            Path,
            "a path",
            variable="RECOMMENDATION_JOB_TEMPLATE",
        )
    )
    training_cronjob: str | None = field(
        default=None,
        metadata=described(
            "CronJob whose template starts queued training runs; without it the operator starts none.",
            str,
            "a name",
            variable="RECOMMENDATION_TRAINING_CRONJOB",
        ),
    )
    operator_key_file: Path | None = field(
        default=None,
        metadata=described(
            "file with the bearer key of scope `operator`; read again for each call. Without it no key is sent.",
            Path,
            "a path",
            variable="RECOMMENDATION_OPERATOR_KEY_FILE",
        ),
    )
    resync_seconds: float = field(
        default=30.0,
        metadata=seconds(
            "between looks at the namespace when nothing happens. Events wake the operator at once; this bounds what a "
            "[lost event](https://www.kopf.dev/en/stable/reconciliation/) costs."
        ),
    )
    follow_seconds: float = field(
        default=5.0,
        metadata=seconds(
            "between looks while a drop is worked on: only the service knows the progress, and it sends no events."
        ),
    )
    queue_wait_seconds: int = field(
        default=30,
        metadata=described(
            "how long a question for queued training runs stays open at the service, which answers at once when there "
            "is one. Below the idle limit of most proxies; at 0 a run waits for the next look.",
            _not_negative(int),
            "a whole number from 0",
            unit="seconds",
        ),
    )
    report_seconds: float = field(
        default=600.0,
        metadata=seconds("between the lines of the log that say the operator is at work, where nothing else happens."),
    )
    pause_seconds: float = field(
        default=1.0, metadata=seconds("shortest time between two looks, so that a burst of Job events causes one look.")
    )
    retry_seconds: float = field(
        default=2.0,
        metadata=seconds(
            "first wait after a failed call; doubled up to the resync interval. Most failures are a pod that rolls."
        ),
    )
    request_timeout_seconds: float = field(
        default=20.0,
        metadata=seconds(
            "time-out of one call; above the service's slowest answer (a preview), below the heartbeat's limit."
        ),
    )
    pass_timeout_seconds: float = field(
        default=300.0,
        metadata=seconds(
            "time-out of one look, however many drops there are; the next look continues what was cut off."
        ),
    )
    stale_model_seconds: float = field(
        default=7200.0,
        metadata=seconds(
            "`retrain: IfStale` trains when the model is older than this. Two hours: one hourly training may fail "
            "unnoticed. The chart gives two pauses of `training.schedule`."
        ),
    )
    pods_late_seconds: float = field(
        default=120.0,
        metadata=seconds(
            "how long pods may be refused or find no place before a drop says so: a node that starts takes a minute "
            "or two."
        ),
    )
    succeeded_job_seconds: float = field(
        default=3600.0,
        metadata=seconds(
            "how long a Job of the operator that ended well stays; one that did not stays for its own "
            "`ttlSecondsAfterFinished`, so that its logs are there when someone comes to look."
        ),
    )
    closing_seconds: float = field(
        default=120.0,
        metadata=seconds(
            "how long after its Job ended a regeneration may stay open before its missing shards are called failed."
        ),
    )
    heartbeat_seconds: float = field(
        default=400.0,
        metadata=seconds(
            "liveness fails when no look finished for so long: one look at its limit and three rests. Kopf's own "
            "liveness does not notice [a watch that ends](https://github.com/nolar/kopf/issues/1276)."
        ),
    )
    lift_seconds: float = field(
        default=3600.0,
        metadata=seconds(
            "between questions for the lift of a drop with a holdout, until its last window is over. Counting costs "
            "the service, and a user counts a week after the first list, so nothing changes faster."
        ),
    )
    metrics_port: int = field(
        default=9090,
        metadata=described(
            "port of the operator's metrics; 0 takes any free port, for several operators on one host.",
            _not_negative(int),
            "a whole number from 0",
        ),
    )
    list_chunk: int = field(
        default=100,
        metadata=described(
            "drops per page of a list; the largest drops are about 220 kB each, so a page stays near 20 MB.",
            _not_negative(int),
            "a whole number from 0",
            unit="drops",
        ),
    )

    @property
    def api_url(self) -> str:
        return f"{self.service_url.rstrip('/')}/api/v1/recommendation"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> OperatorSettings:
        """
        Read the settings.

        Raises:
            SettingsInvalid: naming the variable and what is wrong with it.
        """
        values: dict[str, Any] = {}
        for one in settings_of(cls):
            text = environment.get(one.name, "").strip()
            if text:
                values[one.field] = one.read(text)
            elif one.is_required:
                raise SettingsInvalid(f"{one.name} is not set")
        return cls(**values)


def _named(field: str) -> str:
    return f"RECOMMENDATION_OPERATOR_{field.upper()}"


def unknown_settings(environment: Mapping[str, str]) -> Iterator[str]:
    """
    Yield a sentence for each variable that looks like a setting of the operator, and is none; values are never said.

    Settings of the service may stand in the same environment, so other names count only where they are nearly ours.
    """
    prefix = _named("")
    known = {one.name.removeprefix(prefix): one.name for one in settings_of(OperatorSettings)}
    for name in sorted(environment):
        ours = name.startswith(prefix)
        nearest = get_close_matches(name.removeprefix(prefix), list(known), 1, cutoff=0.75 if ours else 0.93)
        if name in known.values() or not name.startswith("RECOMMENDATION_") or not (ours or nearest):
            continue
        meant = f"; did you mean {known[nearest[0]]}?" if nearest else ""
        yield f"{name} is no setting and changes nothing{meant}"


@dataclass(frozen=True)
class OperatorSetting:
    """One field of the settings, as the loader and the table need it."""

    name: str
    """Its name in the environment."""
    field: str
    default: str
    """As the table says it."""
    is_required: bool
    takes: str
    unit: str
    reason: str
    parse: Callable[[str], Any]

    @classmethod
    def of(cls, given: Field[Any]) -> OperatorSetting:
        said = given.metadata
        is_required = given.default is MISSING
        default = "required" if is_required else "none" if given.default is None else f"`{given.default:g}`"
        name = said["variable"] or _named(given.name)
        return cls(name, given.name, default, is_required, said["takes"], said["unit"], said["reason"], said["parse"])

    def read(self, text: str) -> Any:
        try:
            return self.parse(text)
        except ValueError:
            raise SettingsInvalid(f"{self.name} must be {self.takes}, not {text!r}") from None


def settings_of(settings: type[OperatorSettings]) -> Iterator[OperatorSetting]:
    """Yield the settings in their order."""
    return (OperatorSetting.of(one) for one in fields(settings))
