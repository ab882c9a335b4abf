"""Why a game is shown to a user, or why not: exact, from the linear model."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from recommendation.engine import rank_one
from recommendation.lists.own_view import own_view
from recommendation.lists.page import ActiveList, active_list
from recommendation.lists.personal import ListSettings, personal_list, this_hour
from recommendation.lists.shelves import Shelves, ShelvesRequest, shelves
from recommendation.lists.sources import PageRequest
from recommendation.lists.stored import unpack
from recommendation.lists.tags import ANY_TAGS, TagFilter
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation.lists.why_drops import EXPERIMENT, drop_of, no_place, no_slot


@dataclass(frozen=True)
class Explanation:
    """
    Why a game stands in a user's list, or why it does not.

    `score` is that of the model that ranks the user's list, None where it does not know the game or the user.
    `contributions` are what each of the user's games adds to it, most first, and the trend among them, which is of no
    game; with what is left out they sum to it.
    """

    user_id: str
    game_id: str
    shown: bool
    code: str
    text: str
    rank: int | None
    source: str | None
    score: float | None
    contributions: list[dict[str, Any]]
    left_out: dict[str, Any]
    """How many `games` have contributions that are not told, and what they add together."""
    model_version: str | None

    def as_json(self) -> dict[str, Any]:
        """Return it as it is answered."""
        return dict(vars(self))


_Explained = tuple[float | None, list[dict[str, Any]]]
"""A score, and what each of the user's games and the trend add to it."""


NOT_REMADE = "not_remade_yet"


_NOT_PERSONAL = "An experiment puts popular games in the place of a personal list: {}"


def explain(
    state: UserState,
    view: StoreView,
    settings: ListSettings,
    game_id: str,
    now: datetime,
    fresh_reads: bool,
    tags: TagFilter = ANY_TAGS,
    most: int = 100,
) -> Explanation | None:
    """
    Return why a game is in a user's list or not; None for an unknown game.

    Args:
        tags: the filter of the list that is explained.
        most: contributions to tell.
    """
    if game_id not in view.catalogue.by_id:
        return None
    view, given = own_view(view, state.user_id, now)
    settings = settings.changed_by(given)
    active = active_list(state, view, PageRequest(settings.length, tags=tags), settings, fresh_reads, now)
    explained = _score(state, view, settings, game_id, active.ranked_at or now)
    place = next((i for i, item in enumerate(active.items, 1) if item.game_id == game_id), None)
    item = active.items[place - 1] if place else None
    if item is not None:
        code, text = item.reason.code, item.reason.text + no_slot(active.treatment, state.user_id, view, item, now)
    else:
        code, text = _why_not(state, view, game_id, now, explained[0], tags)
        if code == "below_cut":
            code, text = _why_below(state, view, settings, active, game_id, now)
    shown = _Shown(code, text, place, item.source if item else None)
    return _explanation(state, view, game_id, shown, explained, most)


def explain_shelves(
    state: UserState,
    view: StoreView,
    settings: ListSettings,
    request: ShelvesRequest,
    game_id: str,
    now: datetime,
    most: int = 100,
) -> Explanation | None:
    """
    Return why a game is on a user's front page or not, and in which place of its row; None for an unknown game.

    Args:
        request: the front page that is explained.
        most: contributions to tell.
    """
    if game_id not in view.catalogue.by_id:
        return None
    view, given = own_view(view, state.user_id, now)
    settings = settings.changed_by(given)
    explained = _score(state, view, settings, game_id, this_hour(now))
    page = shelves(state, view, request, settings, now)
    for row in page.rows:
        for place, item in enumerate(row.items, 1):
            if item.game_id == game_id:
                shown = _Shown(row.reason.code, f"In the row {row.title!r}. {row.reason.text}", place, item.source)
                return _explanation(state, view, game_id, shown, explained, most)
    code, text = _why_not(state, view, game_id, now, explained[0], ANY_TAGS)
    if code == "below_cut":
        code, text = _why_in_no_row(page, view, game_id, now)
    return _explanation(state, view, game_id, _Shown(code, text), explained, most)


def _why_in_no_row(page: Shelves, view: StoreView, game_id: str, now: datetime) -> tuple[str, str]:
    if not page.treatment.personal:
        return EXPERIMENT, _NOT_PERSONAL.format(page.treatment.told)
    return no_place(page.treatment, page.user_id, view, game_id, now) or ("below_cut", "The rows hold other games")


class _Shown(NamedTuple):
    code: str
    text: str
    rank: int | None = None
    source: str | None = None


def _explanation(
    state: UserState,
    view: StoreView,
    game_id: str,
    shown: _Shown,
    explained: _Explained,
    most: int,
) -> Explanation:
    score, contributions = explained
    return Explanation(
        user_id=state.user_id,
        game_id=game_id,
        shown=shown.rank is not None,
        code=shown.code,
        text=shown.text,
        rank=shown.rank,
        source=shown.source,
        score=score,
        contributions=contributions[:most],
        left_out={
            "games": sum(part["game_id"] is not None for part in contributions[most:]),
            "contribution": sum(part["contribution"] for part in contributions[most:]),
        },
        model_version=view.live.version if view.live else None,
    )


def _score(state: UserState, view: StoreView, settings: ListSettings, game_id: str, aged_at: datetime) -> _Explained:
    """Return the score and what adds to it, computed together so that the sum is the score."""
    if view.live is None:
        return None, []
    model = view.live.model
    row = int(model.games.rows([game_id])[0])
    rows = model.games.rows(state.game_ids)
    scores = state.scores(settings.half_life_days, aged_at)
    if row < 0 or not ((rows >= 0) & (scores > 0)).any():
        return None, []
    added = rank_one.contributions(model, rows, scores, row, state.last_event_at).tolist()
    parts = [
        {"game_id": own_id, "title": view.catalogue.by_id[own_id].title, "contribution": value}
        for own_id, value in zip(state.game_ids, added, strict=True)
        if value and own_id in view.catalogue.by_id
    ]
    if trend := rank_one.trend_of(model, row):
        title = f"Popular in the {model.trend_days} days before the model was made"
        parts.append({"game_id": None, "title": title, "contribution": trend})
    parts.sort(key=lambda part: (-part["contribution"], part["game_id"] or ""))
    return sum(part["contribution"] for part in parts), parts


def _why_not(
    state: UserState, view: StoreView, game_id: str, now: datetime, score: float | None, tags: TagFilter
) -> tuple[str, str]:
    game = view.catalogue.by_id[game_id]
    if game_id in state.owned:
        return "owned", "The user owns this game"
    if game_id in state.dismissed:
        return "dismissed", "The user dismissed this game"
    if not game.available:
        return "unavailable", "The catalogue says that this game is not available"
    if not game.is_listed(now):
        return "not_released", "This game is not released yet"
    if not tags.admits(game):
        return "filtered_by_tag", "The filter by tags leaves this game out"
    if view.live is None or int(view.live.model.games.rows([game_id])[0]) < 0:
        return (
            "not_in_model",
            "The model does not know this game: too few users touched it, and nothing says what it is like",
        )
    if score is None:
        return "user_not_in_model", "The model knows none of this user's games"
    return "below_cut", "Other games score higher for this user"


def _why_below(
    state: UserState, view: StoreView, settings: ListSettings, active: ActiveList, game_id: str, now: datetime
) -> tuple[str, str]:
    """Tell games apart that an experiment or a holdout takes away, or that an older stored list lacks."""
    given = active.treatment
    if not given.personal:
        return EXPERIMENT, _NOT_PERSONAL.format(given.told)
    if active.is_personal and not active.was_folded_in:
        made = personal_list(state, view, settings, 0, now)
        key = view.catalogue.by_id[game_id].key
        if made is not None and any(listed == key for listed, _, _ in unpack(made.items)):
            return NOT_REMADE, "The user's list is older than what is known of this game, and is not remade yet"
    without = no_place(given, state.user_id, view, game_id, now)
    if without is not None:
        return without
    drop = drop_of(view.drops, game_id, now)
    if drop is None:
        return "below_cut", "Other games score higher for this user"
    slots = drop.slots if given.drop_slots is None else drop.with_slots(given.drop_slots).slots
    where = f"which moves up at most {slots} games of the user's personal list"
    return "no_drop_slot", f"It is in no slot of its drop, {where}; other games score higher for this user"
