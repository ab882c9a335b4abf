"""All settings of the operator, each with its unit and the reason for its default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


class SettingsInvalid(Exception):
    """A setting is missing or makes no sense; the message names it."""


@dataclass(frozen=True)
class OperatorSettings:
    service_url: str
    """Where the recommendation service answers (`RECOMMENDATION_SERVICE_URL`), such as `http://host:8010`."""

    job_template: Path
    """File with the regeneration Job's manifest (`RECOMMENDATION_JOB_TEMPLATE`): the chart's, with its image."""

    training_cronjob: str | None = None
    """CronJob whose template serves queued training (`RECOMMENDATION_TRAINING_CRONJOB`); None starts no training."""

    operator_key_file: Path | None = None
    """File with the bearer key of scope `operator` (`RECOMMENDATION_OPERATOR_KEY_FILE`); None sends no key."""

    resync_seconds: float = 30.0
    """Between looks at the world when nothing happens. Events wake the operator at once; this bounds what a lost event
    costs. https://www.kopf.dev/en/stable/reconciliation/ says why edges alone are not enough."""

    follow_seconds: float = 5.0
    """Between looks while a drop is at work: progress is known to the service only, which sends no events."""

    pause_seconds: float = 1.0
    """At least so long between two looks, so that a burst of Job events is one look."""

    retry_seconds: float = 2.0
    """First wait after a failed call; doubled up to `resync_seconds`. Short: most failures are a pod rolling."""

    request_timeout_seconds: float = 20.0
    """For one call. Above the slowest answer of the service (a preview), below the heartbeat's patience."""

    pass_timeout_seconds: float = 300.0
    """For one look at everything, however many drops there are; a pass cut off here goes on in the next one."""

    stale_model_seconds: float = 7200.0
    """`retrain: IfStale` retrains a model older than this. Two hours: one hourly training may fail unnoticed."""

    closing_seconds: float = 120.0
    """How long after its Job ended a regeneration may stay open before its missing shards are called failed."""

    heartbeat_seconds: float = 400.0
    """Liveness fails when no pass ended for so long: one pass at its limit and three rests.
    https://github.com/nolar/kopf/issues/1276 is why liveness cannot be left to the framework."""

    metrics_port: int = 9090
    """Own metrics; 0 takes any free port (tests run several operators on one host)."""

    list_chunk: int = 100
    """Drops per LIST page; the largest drops are about 220 kB each, so a page stays near 20 MB at the very most."""

    @property
    def api_url(self) -> str:
        return f"{self.service_url.rstrip('/')}/api/v1/recommendation"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> OperatorSettings:
        """
        Read the settings; numbers may be overridden as `RECOMMENDATION_OPERATOR_<NAME>`.

        Raises:
            SettingsInvalid: naming the variable and what is wrong with it.
        """
        values: dict[str, Any] = {
            "service_url": _required(environment, "RECOMMENDATION_SERVICE_URL"),
            "job_template": Path(_required(environment, "RECOMMENDATION_JOB_TEMPLATE")),
            "training_cronjob": environment.get("RECOMMENDATION_TRAINING_CRONJOB") or None,
        }
        if key_file := environment.get("RECOMMENDATION_OPERATOR_KEY_FILE"):
            values["operator_key_file"] = Path(key_file)
        for field in fields(cls):
            variable = f"RECOMMENDATION_OPERATOR_{field.name.upper()}"
            if field.type in ("float", "int") and variable in environment:
                values[field.name] = _number(environment, variable, int if field.type == "int" else float)
        return cls(**values)


def _required(environment: Mapping[str, str], variable: str) -> str:
    value = environment.get(variable, "").strip()
    if not value:
        raise SettingsInvalid(f"{variable} is not set")
    return value


def _number(environment: Mapping[str, str], variable: str, kind: type[int] | type[float]) -> float:
    try:
        value = kind(environment[variable])
    except ValueError:
        raise SettingsInvalid(f"{variable} must be a number, not {environment[variable]!r}") from None
    if value < 0:
        raise SettingsInvalid(f"{variable} must not be negative, not {environment[variable]!r}")
    return value
