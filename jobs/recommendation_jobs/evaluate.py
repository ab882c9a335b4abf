"""`evaluate`: how good the engine's lists are on interactions, against popularity, the live model and peers."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from recommendation.engine.ndcg import MIN_USERS
from recommendation.engine.settings import EngineSettings
from recommendation.errors import RecommendationError, StoreUnavailable
from recommendation.evaluation.plots import insist_on_matplotlib
from recommendation.evaluation.rankers import Fitted, Popularity
from recommendation.evaluation.report import decision_text, table
from recommendation_jobs import exits
from recommendation_jobs.evaluation.arguments import add_arguments, check_arguments
from recommendation_jobs.evaluation.inputs import Inputs, read_inputs
from recommendation_jobs.evaluation.output import write
from recommendation_jobs.evaluation.peers import measured_peers

__all__ = ["add_arguments", "main", "run"]

EXAMPLES = """  recs evaluate --csv plays.csv.gz --score-column hours
  recs evaluate --csv events.csv --split temporal --peers
  recs evaluate --database --live"""


def run(options: argparse.Namespace) -> int:
    """Evaluate; return the exit code."""
    check_arguments(options)
    if options.plots:
        insist_on_matplotlib()
    given = read_inputs(options)
    trial = given.trial
    settings = EngineSettings(components=options.components, min_interactions=options.min_interactions)
    fitted = trial.engine(settings).fitted(trial.split.train)
    lists = {"model": trial.lists(fitted), "popularity": trial.lists(Popularity())}
    decision = fitted.model.decision
    results: dict[str, Any] = {
        "model": trial.measures(lists["model"]),
        "decision": decision,
        "popularity": trial.measures(lists["popularity"]),
        **_live(given),
        "peers": dict(measured_peers(trial, options.seed)) if options.peers else {},
    }
    print(trial.headline(fitted.model))
    print(decision_text(decision))
    measured = {name: results[name] for name in ("model", "popularity", "live") if name in results}
    print(table(measured | results["peers"]))
    points = list(trial.sweep(EngineSettings(**decision["chosen"]))) if options.sweep else []
    if points:
        results["sweep"] = [{"what": point.what, "value": point.value, **point.measures} for point in points]
        print(table({f"{point.what} {point.value}": point.measures for point in points}))
    write(options, trial, lists, results, points)
    return exits.DONE


def _live(given: Inputs) -> dict[str, Any]:
    """Measure the live model, where it takes part, and print on how many users."""
    if given.live is None:
        return {}
    users = len(given.trial.split.users)
    print(f"live is {given.live.version}; all are measured on {users} gate users, whose pairs entered no fit")
    if users < MIN_USERS:
        print(f"fewer than {MIN_USERS} gate users cannot tell a better model from luck", file=sys.stderr)
    return {"live": given.trial.reached(Fitted(given.live.model)), "live_version": given.live.version}


def main(arguments: list[str] | None = None) -> int:
    """Evaluate from a command line of its own."""
    parser = argparse.ArgumentParser(prog="recs evaluate", description=__doc__)
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except StoreUnavailable as error:
        print(error, file=sys.stderr)
        return exits.TRY_AGAIN
    except RecommendationError as error:
        print(error, file=sys.stderr)
        return exits.DO_NOT_TRY_AGAIN
