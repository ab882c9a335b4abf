"""An evaluation as one HTML page: figures, what was chosen and tried, and plots; nothing is loaded from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from recommendation.catalogue.popularity import POPULAR
from recommendation.evaluation.plots import Plot
from recommendation.evaluation.report import Measures, SweepPoint, days_text, popular_text, tried_text, where_tried

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
.wide { overflow-x: auto }
table { border-collapse: collapse; margin: 1rem 0 } caption { text-align: left; font-weight: 600 }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #ccc; text-align: right } th:first-child { text-align: left }
img { max-width: 100%; height: auto }
"""


@dataclass(frozen=True)
class Page:
    """What the page tells."""

    title: str
    headline: str
    """How many pairs there were to learn from and to measure by."""
    protocol: str
    """How pairs were held out, in a sentence."""
    measures: Mapping[str, Measures]
    """By ranker."""
    against: Mapping[str, str]
    """By how much the model is better than each other ranker, with the interval."""
    decision: Mapping[str, Any]
    sweep: Sequence[SweepPoint] = ()
    plots: Sequence[tuple[str, Plot]] = field(default=())
    """Each with what it shows, for who cannot see it."""

    def html(self) -> str:
        """Return the whole document."""
        parts = [
            f"<h1>{escape(self.title)}</h1>",
            f"<p>{escape(self.headline)}. {escape(self.protocol)}</p>",
            self._measures(),
            *(_figure(told, plot) for told, plot in self.plots),
            self._decision(),
            self._sweep(),
        ]
        head = f"<meta charset=utf-8>\n<meta name=viewport content='width=device-width'>\n<style>{STYLE}</style>"
        body = "\n".join(filter(None, parts))
        return (
            f"<!doctype html>\n<html lang=en>\n<head>\n<title>{escape(self.title)}</title>\n{head}\n</head>\n"
            f"<body>\n{body}\n</body>\n</html>\n"
        )

    def _measures(self) -> str:
        names = list(next(iter(self.measures.values())))
        rows = [
            [who, *(f"{found[name]:.4f}" for name in names), self.against.get(who, "")]
            for who, found in self.measures.items()
        ]
        differs = f"the model's {names[0]} against it, 95 % interval"
        return _table("What each ranker reached", ["", *names, differs], rows)

    def _decision(self) -> str:
        chosen = [[name, str(value)] for name, value in self.decision["chosen"].items()]
        tables = [_table("What the fit chose", ["setting", "value"], chosen)]
        if self.decision["tried"]:
            tried = [[tried_text(one), f"{one['ndcg@10']:.4f}"] for one in self.decision["tried"]]
            where = f"What was tried {where_tried(self.decision)}, in this order"
            tables.append(_table(where, ["setting", "ndcg@10"], tried))
        popular = self.decision.get(POPULAR, {})
        if popular.get("tried"):
            tried = [[days_text(one["days"]), f"{one['ndcg@10']:.4f}"] for one in popular["tried"]]
            tables.append(_table(popular_text(popular).capitalize(), ["days", "ndcg@10"], tried))
        return "\n".join(tables)

    def _sweep(self) -> str:
        if not self.sweep:
            return ""
        names = list(self.sweep[0].measures)
        rows = [
            [f"{point.what} {point.value}", *(f"{point.measures[name]:.4f}" for name in names)] for point in self.sweep
        ]
        return _table("One setting at a time changed", ["", *names], rows)


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th scope=col>{escape(cell)}</th>" for cell in head)
    body = "\n".join(
        f"<tr><th scope=row>{escape(row[0])}</th>" + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return (
        f"<div class=wide><table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead>"
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _figure(told: str, plot: Plot) -> str:
    data = b64encode(plot.png()).decode()
    return f"<figure><img alt='{escape(told, quote=True)}' src='data:image/png;base64,{data}'></figure>"
