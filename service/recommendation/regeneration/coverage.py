"""What everyone's lists cover, and how evenly games share them, as of the last full regeneration."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from recommendation.catalogue.games import Game
from recommendation.catalogue.store import available_games
from recommendation.database.tables import games
from recommendation.evaluation.exposure import Exposure
from recommendation.regeneration.store import Regeneration, last_full

MOST_LISTED = 10


TOP_SHARE = 0.01
"""Part of the available games whose share of all places is told."""


@dataclass(frozen=True)
class ListedGame:
    """A game, and in how many top tens it stands."""

    game_id: str
    title: str | None
    lists: int


@dataclass(frozen=True)
class Coverage:
    """
    Coverage and exposure; before the first full regeneration there is none, and nothing is listed.

    `games_listed` of `games_available` stand in a top ten, on `places` places together; `gini` says how unevenly
    (0 to 1), and `share_of_top` what the most listed hundredth of the available games holds.
    """

    regeneration_id: str | None
    finished_at: datetime | None
    catalogue_coverage: float | None
    user_coverage: float | None
    games_available: int
    games_listed: int
    places: int
    gini: float
    share_of_top: float
    most_listed: list[ListedGame]


def read_coverage(connection: Connection) -> Coverage:
    """Return both as of the last full regeneration."""
    found, available = last_full(connection), available_games(connection)
    exposure = found.exposure() if found else Exposure.joined()
    return Coverage(
        regeneration_id=found.regeneration_id if found else None,
        finished_at=found.finished_at if found else None,
        catalogue_coverage=found.catalogue_coverage(available) if found else None,
        user_coverage=_user_coverage(found) if found else None,
        games_available=available,
        games_listed=len(exposure.keys),
        places=exposure.places,
        gini=exposure.gini(available),
        share_of_top=exposure.share_of_top(max(1, round(TOP_SHARE * available))),
        most_listed=_named(connection, exposure),
    )


def _named(connection: Connection, exposure: Exposure) -> list[ListedGame]:
    most = exposure.most(MOST_LISTED)
    wanted = select(games.c.game_key, games.c.game_id, games.c.title)
    rows = connection.execute(wanted.where(games.c.game_key.in_([key for key, _ in most])))
    names = {row.game_key: (row.game_id, row.title) for row in rows}
    return [ListedGame(*names[key], lists) for key, lists in most if key in names]


def top_tens_with(connection: Connection, game: Game) -> int | None:
    """Return how many lists show a game among their first ten, as of the last full regeneration; None before one."""
    found = last_full(connection)
    if found is None:
        return None
    exposure = found.exposure()
    return int(exposure.lists[exposure.keys == game.key].sum())


def last_full_results(connection: Connection) -> dict[str, float]:
    """Return catalogue and user coverage as of the last full regeneration; empty before the first."""
    found = last_full(connection)
    if found is None:
        return {}
    results = {"catalogue_coverage": found.catalogue_coverage(available_games(connection))}
    if (users := _user_coverage(found)) is not None:
        results["user_coverage"] = users
    return results


def _user_coverage(found: Regeneration) -> float | None:
    return min(1.0, found.users_personal / found.users_targeted) if found.users_targeted else None


def catalogue_coverage_after(connection: Connection, regeneration: Regeneration) -> float:
    """
    Return the catalogue coverage once a regeneration is through.

    Lists outside its audience, and those of users whom it left out, are still those of the last full one, so their
    games count too. It is the share of the games that were available when it ended. Where the settings have active
    users remade alone, coverage is of their lists.
    """
    seen = regeneration.exposure()
    is_part = regeneration.active_since is not None and not regeneration.everyone
    left_some = is_part or regeneration.state == "failed"
    previous = last_full(connection, regeneration.number) if left_some else None
    if previous is not None:
        seen = Exposure.joined(seen, previous.exposure())
    available = regeneration.games_available
    if available is None:
        available = available_games(connection)
    return min(1.0, len(seen.keys) / available) if available else 0.0
