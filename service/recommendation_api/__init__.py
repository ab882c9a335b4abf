"""Shell 1: the HTTP API."""
