"""What a training makes and what it has to match: the candidate with its verdict, and the live model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from recommendation.catalogue.popularity import POPULAR
from recommendation.database.database import Database
from recommendation.engine import artifact
from recommendation.engine.fit import fit_parts
from recommendation.engine.model import Model
from recommendation.engine.steps import Tell, quiet
from recommendation.errors import RecommendationError
from recommendation.evaluation.gate import GateVerdict, gain, judge
from recommendation.evaluation.gate_users import set_aside
from recommendation.evaluation.guards import Findings
from recommendation.matrix.parts import MatrixParts
from recommendation.settings import Settings
from recommendation.training import models
from recommendation.training.models import load_model

log = logging.getLogger(__name__)


Report = Callable[[str], None]
"""Called with the name of each stage as it begins."""


@dataclass(frozen=True)
class FittedModel:
    """A model that may go live, as it is stored."""

    number: int
    data: bytes
    facts: dict[str, Any]
    quality: dict[str, Any]


@dataclass(frozen=True)
class Live:
    """The live model, which a candidate has to match."""

    model: Model | None = None
    gain_before: float = 0.0
    """What it gained over popularity when it went live."""
    data: Mapping[str, float] = field(default_factory=dict)
    """What the guards saw of its data."""


def live_of(database: Database, settings: Settings) -> Live:
    """Return the live model and its gain; a model that cannot be read is not compared, but its gain still counts."""
    with database.reading() as connection:
        row = models.live_row(connection)
        if row is None:
            return Live()
        gained = gain(row.quality.get("candidate", {}), row.quality.get("popularity", {}))
        data = row.quality.get("data", {})
        try:
            return Live(load_model(connection, row.version, settings.model_max_bytes).model, gained, data)
        except RecommendationError as error:
            log.error("the live model cannot be read and is left out of the comparison: %s", error)
            return Live(None, gained, data)


def make_candidate(
    parts: MatrixParts, settings: Settings, live: Live, number: int, report: Report, tell: Tell = quiet
) -> tuple[FittedModel, GateVerdict]:
    """Fit a model to the parts, which are used up, without the gate users, and let these judge it."""
    report("fit")
    trends = (settings.engine.trend_days, None if live.model is None else live.model.trend_days)
    split = set_aside(parts, settings.gate_max_users, [days for days in trends if days])
    model = split.rule.kept_with(fit_parts(split.training, settings.engine, tell))
    report("gate")
    verdict = judge(model, live.model, split, settings.gate_budget, live.gain_before, tell)
    facts = {
        "users": split.touched.users,
        "games": len(model.games),
        "pairs": int(split.touched.per_game.sum()),
        "components": model.components,
    }
    data = artifact.dump(model, {"version": f"v{number}", "settings": asdict(settings.engine), **facts})
    quality = {**_quality(verdict), POPULAR: model.decision[POPULAR]}
    return FittedModel(number, data, facts, quality), verdict


def _quality(verdict: GateVerdict) -> dict[str, Any]:
    """Return a verdict in the form that is stored with the run and the model."""
    measures = {"candidate": verdict.candidate, "live": verdict.live, "popularity": verdict.popularity}
    found: dict[str, Any] = {name: dict(values) for name, values in measures.items() if values}
    if verdict.by_time is not None:
        found["by_time"] = _quality(verdict.by_time)
    return {**found, "gate": {"state": verdict.state, "reason": verdict.reason, "users": verdict.users}}


def seen_by_guards(found: Findings) -> dict[str, Any]:
    """Return what the guards saw in the form that is stored with the run and the model."""
    told = {"against": list(found.against), "warned": list(found.warned)}
    return {"data": dict(found.facts), **{name: sentences for name, sentences in told.items() if sentences}}
