"""What users did: events checked, counted exactly once, kept as one row a user and game, erased on request."""
