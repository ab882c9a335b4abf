"""Settings of the factor model; stored with it, as they are part of what it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineSettings:
    """How a model is fitted."""

    components: int = 40
    """`CF_N_COMPONENTS`: latent factors kept; fewer when the data has fewer users or games."""

    min_interactions: int = 5
    """`CF_MIN_INTERACTIONS`: distinct pairs that a user or a game needs to take part in the fit."""

    seed: int = 20240229
    """Seed of the factorisation; the same data and seed give the same model."""
