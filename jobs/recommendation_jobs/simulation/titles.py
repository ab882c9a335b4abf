"""Titles that read like those of games, all made up."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

_ADJECTIVES = (
    "Amber", "Ashen", "Blue", "Broken", "Crimson", "Distant", "Drowned", "Emerald", "Fallen", "Frozen", "Gilded",
    "Hidden", "Hollow", "Iron", "Last", "Little", "Lunar", "Midnight", "Neon", "Pale", "Paper", "Quiet", "Rusted",
    "Sable", "Silent", "Silver", "Solar", "Sunken", "Velvet", "Wandering", "Wild", "Woven",
)  # fmt: skip
_NOUNS = (
    "Anvil", "Archipelago", "Beacon", "Caravan", "Cartographer", "Citadel", "Comet", "Courier", "Engine", "Falcon",
    "Forge", "Garden", "Harbour", "Harvest", "Hive", "Kingdom", "Labyrinth", "Lantern", "Lighthouse", "Meadow",
    "Monolith", "Orchard", "Outpost", "Parade", "Rally", "Reactor", "Republic", "Signal", "Tactician", "Tides",
    "Tower", "Voyage",
)  # fmt: skip
_PLACES = ("Aldermoor", "Brackwater", "Cinderfell", "Dunmarrow", "Eastreach", "Fernhollow", "Grimsund", "Halewick")
_SUBTITLES = ("Afterlight", "Deluxe Shift", "First Frost", "Homecoming", "Long Road", "Reckoning", "Second Wind")


def titles(rng: np.random.Generator) -> Iterator[str]:
    """Yield titles, each once, for ever."""
    made: Counter[str] = Counter()
    while True:
        title = _title(rng)
        made[title] += 1
        # A title that comes again is a sequel.
        yield title if made[title] == 1 else f"{title} {made[title]}"


def _title(rng: np.random.Generator) -> str:
    adjective, noun = _one(rng, _ADJECTIVES), _one(rng, _NOUNS)
    shape = rng.random()
    if shape < 0.5:
        return f"{adjective} {noun}"
    if shape < 0.7:
        return f"{noun} of {_one(rng, _PLACES)}"
    if shape < 0.85:
        return f"The {adjective} {noun}"
    return f"{adjective} {noun}: {_one(rng, _SUBTITLES)}"


def _one(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[int(rng.integers(len(words)))]
