"""Metrics of the process and of the store, and the check for owned games in answers."""
