"""What Uvicorn was told: by its command line, or by its environment."""

import os
import sys

from recommendation.errors import SettingsError

PROTOCOL = "recommendation_api.http.connections:Connection"


def announced_host() -> str | None:
    """Return the address that the server was told to listen on, None where it was told nothing."""
    return _told("host")


def check_protocol() -> None:
    """
    Refuse a start without our bounds on connections, which Uvicorn takes from its command line only.

    Raises:
        SettingsError: the server was told another protocol, or none.
    """
    if _told("http") != PROTOCOL:
        raise SettingsError(
            f"start the API with --http {PROTOCOL} (or UVICORN_HTTP={PROTOCOL}): "
            "without it nothing bounds headers and connections"
        )


def _told(option: str) -> str | None:
    arguments = sys.argv[1:]
    for index, argument in enumerate(arguments):
        if argument == f"--{option}" and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(f"--{option}="):
            return argument.partition("=")[2]
    return os.environ.get(f"UVICORN_{option.upper()}")
