"""`recs serve`: starts the API with uvicorn, and with our own bounds on connections."""

import argparse
import os

EXTRA = "service"

EXAMPLES = """  recs serve
  recs serve --port 8080
  recs serve --env-file shop.env --host 0.0.0.0 --workers 2"""

PROTOCOL = "recommendation_api.http.connections:Connection"

KEEP_ALIVE_SECONDS = 75
"""Longer than the idle time-out of usual load balancers (60): they close first, and meet no closed connection."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    host = os.environ.get("UVICORN_HOST", "127.0.0.1")
    parser.add_argument("--host", default=host, help=f"address to listen on; default {host}")
    parser.add_argument("--port", type=int, default=8010, help="default 8010")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes; default 1")
    parser.add_argument("--reload", action="store_true", help="start again when code changes; for development")


def run(options: argparse.Namespace) -> int:
    """Serve until a signal comes; the server ends the process itself where it cannot start."""
    import uvicorn

    # What the API looks at before it starts; its workers have it from here, too.
    os.environ["UVICORN_HTTP"] = PROTOCOL
    uvicorn.run(
        "recommendation_api.main:app",
        host=options.host,
        port=options.port,
        workers=options.workers,
        reload=options.reload,
        http=PROTOCOL,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    return 0
