"""`evaluate`: how good the engine's lists are on interactions, against popularity, the live model and peers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from recommendation.engine.ndcg import MIN_USERS, Lists
from recommendation.engine.settings import EngineSettings
from recommendation.errors import RecommendationError, StoreUnavailable
from recommendation.evaluation.page import Page
from recommendation.evaluation.paired import difference, interval
from recommendation.evaluation.plots import insist_on_matplotlib
from recommendation.evaluation.rankers import Fitted, Popularity
from recommendation.evaluation.report import Measures, decision_text, table
from recommendation_jobs import exits
from recommendation_jobs.evaluation.arguments import add_arguments, check_arguments
from recommendation_jobs.evaluation.inputs import Inputs, read_inputs
from recommendation_jobs.evaluation.output import write
from recommendation_jobs.evaluation.peers import searched_peers

__all__ = ["add_arguments", "main", "run"]

EXAMPLES = """  recs evaluate --csv plays.csv.gz --score-column hours
  recs evaluate --csv events.csv --split temporal --peers --report report.html
  recs evaluate --csv events.csv --time-column at --by time
  recs evaluate --database --live"""


def run(options: argparse.Namespace) -> int:
    """Evaluate; return the exit code."""
    check_arguments(options)
    if options.plots or options.report:
        insist_on_matplotlib()
    given = read_inputs(options)
    trial = given.trial
    settings = EngineSettings(components=options.components, min_interactions=options.min_interactions)
    fitted = trial.engine(settings).fitted(trial.split.train)
    decision = fitted.model.decision
    _say_who_is_live(given)
    lists = dict(_lists(options, given, fitted))
    levels = {who: trial.of_each(made) for who, made in lists.items()}
    against = {who: difference(levels["model"], level) for who, level in levels.items() if who != "model"}
    measures = {who: trial.measures(made) for who, made in lists.items()}
    page = Page(
        title="Evaluation of lists",
        headline=trial.headline(fitted.model),
        protocol=PROTOCOLS[_protocol(options)],
        measures=measures,
        against={who: str(found) for who, found in against.items() if found},
        decision=decision,
    )
    points = list(trial.sweep(EngineSettings(**decision["chosen"]))) if options.sweep else []
    page = replace(page, sweep=points)
    _print(page, trial.k)
    results = {
        **_by_ranker(measures),
        "decision": decision,
        **({"live_version": given.live.version} if given.live else {}),
        "intervals": {who: interval(level) for who, level in levels.items()},
        "against": {who: found.as_json() for who, found in against.items() if found},
        **({"sweep": [{"what": one.what, "value": one.value, **one.measures} for one in points]} if points else {}),
    }
    write(options, trial, lists, results, page)
    return exits.DONE


def _print(page: Page, k: int) -> None:
    print(page.headline)
    print(decision_text(page.decision))
    print(table(page.measures))
    for who, found in page.against.items():
        print(f"model against {who}, ndcg@{k}: {found}")
    if page.sweep:
        print(table({f"{point.what} {point.value}": point.measures for point in page.sweep}))


PROTOCOLS = {
    "given": "The held-out pairs were given.",
    "random": "Of each user with at least 5 pairs a fifth is held out, at random.",
    "temporal": "Of each user with at least 5 pairs the last is held out.",
    "time": "Held out is what users did since one moment, the latest fifth of all pairs.",
}


def _protocol(options: argparse.Namespace) -> str:
    if options.train:
        return "given"
    return "time" if options.by == "time" else options.split or "random"


def _lists(options: argparse.Namespace, given: Inputs, fitted: Fitted) -> Iterator[tuple[str, Lists]]:
    """Yield the lists of each ranker that takes part."""
    trial = given.trial
    yield "model", trial.lists(fitted)
    yield "popularity", trial.lists(Popularity())
    if given.live is not None:
        yield "live", trial.lists(Fitted(given.live.model))
    if options.peers:
        for who, peer in searched_peers(trial, options.seed, last=_protocol(options) == "temporal"):
            yield who, trial.lists(peer)


def _by_ranker(measures: Mapping[str, Measures]) -> dict[str, Any]:
    own = {who: found for who, found in measures.items() if who in OWN}
    return {**own, "peers": {who: found for who, found in measures.items() if who not in OWN}}


OWN = ("model", "popularity", "live")
"""Rankers that are no peers."""


def _say_who_is_live(given: Inputs) -> None:
    if given.live is None:
        return
    users = len(given.trial.split.users)
    print(f"live is {given.live.version}; all are measured on {users} gate users, whose pairs entered no fit")
    if users < MIN_USERS:
        print(f"fewer than {MIN_USERS} gate users cannot tell a better model from luck", file=sys.stderr)


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
