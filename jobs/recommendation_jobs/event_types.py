"""What other systems call our event types, and which files of other systems tell none."""

from recommendation.weights import Weights
from recommendation_jobs.reading.dialect import plain_name

SYNONYMS = {
    "purchased": ("purchase", "buy", "bought", "order", "transaction"),
    "played": ("play", "playtime"),
    "wishlisted": ("wishlist", "bookmark", "like", "star"),
    "clicked": ("click",),
    "viewed": ("view", "read", "detail_view", "detail_views"),
    "refunded": ("refund", "return"),
}
"""What other systems call our event types; each is told when it is met."""


SHAPES = {
    "gorse": None,
    "recombee": None,
    "movielens": "played",
    "steam": "played",
    "lastfm": "played",
}
"""Files that other systems and public collections give, by name, and the event type of their rows where none tells."""

KNOWN_TYPES = frozenset(SYNONYMS) | {other for others in SYNONYMS.values() for other in others}
"""Our event types and what others call them."""


def our_type(text: str, weights: Weights) -> str:
    """Return what we call an event type: `purchased` for `Purchase`; a text that is none comes back as it is."""
    if text in weights:
        return text
    lowered = plain_name(text)
    return next((ours for ours, others in SYNONYMS.items() if lowered == ours or lowered in others), text)
