"""A small load balancer: requests go to replicas that say they are ready, over kept connections."""

import http.client
import itertools
import json
import threading
import urllib.request
from typing import Any

LOOK_SECONDS = 0.1


class Balancer:
    """Follows `/readyz` of some ports and hands out those that are ready, in turns."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._ready = list(ports)
        self._turn = itertools.count()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    @property
    def ready(self) -> list[int]:
        """The ports that were ready at the last look."""
        return self._ready

    def next(self) -> int:
        """The port whose turn it is."""
        ready = self._ready
        assert ready, "no replica is ready"
        return ready[next(self._turn) % len(ready)]

    def close(self) -> None:
        """Stop looking."""
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._ready = [port for port in self._ports if self._is_ready(port)]

    def _is_ready(self, port: int) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class Client:
    """Sends one request after another through a balancer; it tries none again."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._connections: dict[int, http.client.HTTPConnection] = {}

    def send(self, method: str, path: str, body: Any = None) -> int:
        """
        Send a request; return the status.

        Raises:
            OSError, http.client.HTTPException: there was no answer.
        """
        port = self._balancer.next()
        for gone in self._connections.keys() - set(self._balancer.ready) - {port}:
            self._connections.pop(gone).close()
        if port not in self._connections:
            self._connections[port] = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection = self._connections[port]
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def close(self) -> None:
        """Close the connection."""
        for connection in self._connections.values():
            connection.close()
