"""Exit codes; Kubernetes decides by them whether to try again."""

DONE = 0
"""Done; a rejected model and a skipped training are done too."""

TRY_AGAIN = 1
"""A temporary failure: the database was away, or the process got SIGTERM."""

DO_NOT_TRY_AGAIN = 42
"""Bad data or settings: another try would end the same way."""
