"""
Variables of the environment that look like settings and are none, such as POPULAR_DAY where POPULAR_DAYS is meant.

A setting that is spelt wrongly would otherwise be left out without a word. Their values are never said.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from recommendation.engine.settings import EngineSettings
from recommendation.environment import Environment, settings_of
from recommendation.settings import Settings

FAMILIES = ("CF_", "RECOMMENDATION_", "INTERACTION_")
"""How the names of settings begin."""

OF_THE_OPERATOR = re.compile(r"RECOMMENDATION_(OPERATOR_|SERVICE_URL$|JOB_TEMPLATE$|TRAINING_CRONJOB$)")
"""Names of the operator's settings: one file may hold those of all programs."""

_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$")
"""Kubernetes gives every pod some variables for each Service of its namespace, named after it."""


def warnings_of(environment: Environment) -> Iterator[str]:
    """Yield a sentence for each variable that looks like a setting of the service, and is none."""
    known = [setting.name for holder in (Settings, EngineSettings) for setting in settings_of(holder).values()]
    for name in sorted(environment):
        if name.startswith(FAMILIES) and name not in known and not _is_of_others(name, environment[name]):
            yield sentence(name, known)


def sentence(name: str, known: Iterable[str]) -> str:
    """Say that a variable is no setting, and which one may be meant; what all names begin with tells nothing."""
    by_rest = {_rest(each): each for each in known}
    nearest = get_close_matches(_rest(name), list(by_rest), 1, cutoff=0.75)
    meant = f"; did you mean {by_rest[nearest[0]]}?" if nearest else ""
    return f"{name} is no setting and changes nothing{meant}"


def _rest(name: str) -> str:
    return next((name.removeprefix(family) for family in FAMILIES if name.startswith(family)), name)


def _is_of_others(name: str, value: str) -> bool:
    if OF_THE_OPERATOR.match(name) or _SERVICE_LINK.search(name):
        return True
    return name.endswith("_PORT") and bool(re.match(r"(tcp|udp|sctp)://", value))
