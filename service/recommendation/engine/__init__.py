"""The factor model: fitted, folded in, ranked, explained, written as an artifact."""
