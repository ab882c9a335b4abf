"""What experiments make of one user's list, and the view that it is made from."""

from datetime import datetime

from recommendation.experiments.treatment import USUAL, Treatment
from recommendation.lists.view import StoreView


def own_view(view: StoreView, user_id: str, now: datetime) -> tuple[StoreView, Treatment]:
    """
    Return the view that ranks a user's list at a moment, and what experiments make of the list.

    That is the view itself, but for users of a variant that names a model or leaves the trend out. Where a process does
    not hold the model, the live one ranks their lists, and the treatment says so. The view that comes back may be given
    again.
    """
    if not view.experiments:
        return view, USUAL
    given = view.treatments.of(user_id, now)
    if not given.personal:
        return view, given
    if given.model_version is not None:
        view = view.ranked_by(given.model_version)
        is_held = view.live is not None and view.live.version == given.model_version
        given = given if is_held else given._replace(falls_back=True)
    if given.settings is not None and given.settings.trend is False:
        view = view.trendless
    return view, given
