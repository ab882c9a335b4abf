"""The factor model: fit, fold-in, top-N, contributions, artifact."""
