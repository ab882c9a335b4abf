"""The chart's manifest of a regeneration's Job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from recommendation_operator import reasons
from recommendation_operator.problems import TryAgain


def read_template(file: Path) -> dict[str, Any]:
    """
    Read the template anew: an upgrade of the chart changes the mounted file under a running operator.

    Raises:
        TryAgain: it cannot be read, or is no Job.
    """
    try:
        template = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise TryAgain(reasons.CLUSTER_UNAVAILABLE, "the Job template cannot be read") from error
    if not isinstance(template, dict) or template.get("kind") != "Job":
        raise TryAgain(reasons.CLUSTER_UNAVAILABLE, "the Job template is not a Job")
    return template
