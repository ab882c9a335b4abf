"""An app on loopback, served as the product serves it, in a thread of this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import uvicorn

from recommendation_api.http.connections import Connection


def until(holds: Callable[[], bool]) -> None:
    """Return as soon as something holds; fail after 20 seconds."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class ServedApp:
    """A server on a free port."""

    def __init__(self, app: Any, **config: Any) -> None:
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, http=Connection, log_config=None, **config))
        self._thread = threading.Thread(target=self.server.run, daemon=True)

    def start(self) -> None:
        """Return once connections are taken."""
        self._thread.start()
        until(lambda: self.server.started)

    def stop(self, at_once: bool = False) -> None:
        """End; `at_once` waits for no request that is under way."""
        self.server.should_exit = True
        self.server.force_exit = at_once
        self._thread.join(20)

    def connect(self) -> socket.socket:
        """Open a connection to it."""
        port = self.server.servers[0].sockets[0].getsockname()[1]
        return socket.create_connection(("127.0.0.1", port), timeout=20)
