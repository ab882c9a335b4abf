"""Exit codes; Kubernetes decides by them whether to try again."""

DONE = 0
"""Done; a rejected model and a skipped training are done too."""

TRY_AGAIN = 1
"""A temporary failure: the database was away, a training lost its scheduler, or the process got SIGTERM."""

DO_NOT_TRY_AGAIN = 42
"""Bad data or settings, or no worker came: another try would end the same way."""

TEXT = """exit codes:
  0   done; a rejected model and a skipped training are done too
  1   try again: the database was away, or the command was stopped
  2   the command line is wrong
  42  do not try again before the data or a setting is mended"""
"""What `--help` says of them."""
