"""Plots of what lists reach, each with a title and the baseline that a model has to beat; they need matplotlib."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.ndcg import Lists
from recommendation.errors import InvalidInput
from recommendation.evaluation.report import SweepPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 120
MOST_MARKED = 30
"""A line of fewer points shows each of them."""


@dataclass(frozen=True, eq=False)
class Plot:
    """A drawn figure: a notebook shows it, `save` writes it as PNG."""

    figure: Figure

    def save(self, path: Path | str) -> Path:
        """Write a PNG file; return its path."""
        self.figure.savefig(path, dpi=DOTS_PER_INCH, format="png")
        return Path(path)

    def png(self) -> bytes:
        """Return it as a PNG file."""
        png = io.BytesIO()
        self.figure.savefig(png, dpi=DOTS_PER_INCH, format="png")
        return png.getvalue()

    def _repr_png_(self) -> bytes:
        """Give a notebook what it shows (ipython.readthedocs.io, "Rich display")."""
        return self.png()


def insist_on_matplotlib() -> None:
    """
    Check that plots can be drawn.

    Raises:
        InvalidInput: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise InvalidInput("plots need matplotlib: pip install 'recommendation-service[plots]', or draw none")


def quality_by_length(curves: Mapping[str, Sequence[float]], users: int) -> Plot:
    """
    Draw the mean NDCG against the length of the list it is cut at.

    Args:
        curves: by ranker, the mean NDCG at 1, 2, 3 and so on places; `popularity` is the baseline.
        users: of whom pairs were held out; the title says how many.
    """
    figure, axes = _blank("Quality by length of the list", f"mean over {users:,} users")
    for name, values in curves.items():
        _line(axes, name, range(1, len(values) + 1), values)
    return _finished(figure, axes, "places of the list that count", "NDCG (1 is best)")


def shares_of_places(lists: Mapping[str, Lists], games: int, k: int) -> Plot:
    """
    Draw how the places of all lists are shared among games: the higher a line starts, the fewer games have all places.

    Args:
        lists: by ranker, rows of games, shape (users, at least k); `popularity` is the baseline.
        games: how many could be listed; all lines end there.
        k: places of a list that count.
    """
    figure, axes = _blank(f"Which games fill the top {k}", f"{games:,} games; a straight line treats all alike")
    for name, listed in lists.items():
        _line(axes, name, range(games + 1), _shares(listed[:, :k], games))
    axes.plot([0, games], [0, 1], linestyle=":", color="grey", label="all games alike")
    return _finished(figure, axes, "games, most listed first", f"share of all places of the top {k}")


def quality_by_components(points: Sequence[SweepPoint], baseline: float, k: int) -> Plot:
    """
    Draw NDCG against latent factors.

    Args:
        points: of a sweep; those that changed other settings are left out.
        baseline: NDCG of popularity, which knows no factors.
    """
    swept = sorted((int(p.value), p.measures[f"ndcg@{k}"]) for p in points if p.what == "components")
    figure, axes = _blank("Quality by latent factors", "all other settings as they were chosen")
    _line(axes, "model", [size for size, _ in swept], [reached for _, reached in swept])
    axes.axhline(baseline, linestyle="--", color="grey", label="popularity")
    return _finished(figure, axes, "components", f"NDCG@{k} (1 is best)")


def all_plots(
    curves: Mapping[str, Sequence[float]],
    lists: Mapping[str, Lists],
    games: int,
    points: Sequence[SweepPoint],
    k: int,
) -> Iterator[tuple[str, Plot]]:
    """
    Draw every plot that there are figures for; yield each with the name of its file.

    Raises:
        InvalidInput: matplotlib is not installed.
    """
    insist_on_matplotlib()
    yield "list-length.png", quality_by_length(curves, len(next(iter(lists.values()))))
    yield "coverage.png", shares_of_places(lists, games, k)
    if any(point.what == "components" for point in points):
        yield "components.png", quality_by_components(points, curves["popularity"][k - 1], k)


def _shares(lists: Lists, games: int) -> NDArray[np.float64]:
    """Share of all places that the 0, 1, 2 and so on most listed games have; shape (games + 1,)."""
    counts = np.sort(np.bincount(lists[lists >= 0], minlength=games))[::-1][:games]
    return np.concatenate([[0.0], np.cumsum(counts) / max(counts.sum(), 1)])


def _blank(title: str, below: str) -> tuple[Figure, Axes]:
    insist_on_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.set_title(f"{title}\n{below}", fontsize="medium")
    return figure, axes


def _line(axes: Axes, name: str, x: Sequence[int], y: Sequence[float] | NDArray[np.float64]) -> None:
    style: dict[str, Any] = {"linestyle": "--", "color": "grey"} if name == "popularity" else {}
    axes.plot(x, y, label=name, marker="o" if len(x) < MOST_MARKED else "", markersize=3, **style)


def _finished(figure: Figure, axes: Axes, x_label: str, y_label: str) -> Plot:
    axes.set(xlabel=x_label, ylabel=y_label, ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    return Plot(figure)
