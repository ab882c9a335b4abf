"""Many mixed requests leave the memory flat, and thousands of open connections keep no other client from an answer."""

import json
import os
import resource
import socket
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
from processes import PREFIX, Api

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

REQUESTS = int(os.environ.get("RECOMMENDATION_SOAK_REQUESTS", "20000"))
CONNECTIONS = int(os.environ.get("RECOMMENDATION_SOAK_CONNECTIONS", "1000"))
CLIENTS = 8
USERS, GAMES = 5_000, 500
WARM = 2_000
GROWTH_MIB = 40
"""What the process may grow by in the second half: what grows with every request grows by more."""


def a_request(chance: Random) -> tuple[str, str, Any]:
    """Return a request as shops send them: most of them read."""
    user, game = f"u{chance.randrange(USERS)}", f"g{chance.randrange(GAMES)}"
    event = {"user_id": user, "game_id": game}
    match chance.choices(range(8), [60, 18, 8, 3, 4, 3, 2, 2])[0]:
        case 0:
            return "GET", f"/user/{user}?limit=20", None
        case 1:
            name = chance.getrandbits(60)
            return "POST", "/interactions", [{**event, "event_type": "played", "event_id": f"e{name}"}]
        case 2:
            return "POST", "/feedback", [{**event, "action": chance.choice(["clicked", "dismissed"])}]
        case 3:
            return "POST", "/batch", [{**event, "score": 1, "source": "editorial"}]
        case 4:
            return "GET", f"/user/{user}/why?game_id={game}", None
        case 5:
            return "GET", "/popular", None
        case 6:
            return "PUT", "/games", [{"game_id": game, "title": f"Game {game}"}]
        case _:
            return "GET", f"/user/{user}/export", None


class Clients:
    """Threads that send a number of mixed requests over kept connections."""

    def __init__(self, port: int, seed: int) -> None:
        self.port, self.seed = port, seed
        self.wrong: list[tuple[Any, ...]] = []

    def send(self, requests: int) -> None:
        """Send them, and return when all are answered."""
        threads = [
            threading.Thread(target=self._send, args=(Random(f"{self.seed}-{requests}-{n}"), requests // CLIENTS))
            for n in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send(self, chance: Random, requests: int) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        for _ in range(requests):
            method, path, body = a_request(chance)
            headers = {"Content-Type": "application/json"}
            connection.request(method, PREFIX + path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                self.wrong.append((method, path, answer.status, content[:200]))
        connection.close()


def mebibytes(api: Api) -> float:
    """Memory of a process."""
    return float(psutil.Process(api.process.pid).memory_info().rss) / 2**20


def test_memory_is_flat_over_many_mixed_requests(postgres_url: str, tmp_path: Path) -> None:
    api = Api(postgres_url, tmp_path, RECOMMENDATION_TRAINING="queued")
    rows = [{"user_id": f"u{n}", "game_id": f"g{n % GAMES}", "event_type": "viewed"} for n in range(USERS)]
    assert api.call("POST", "/interactions", rows)[0] == 200
    clients = Clients(api.port, 1)
    clients.send(WARM)
    began, start = time.monotonic(), mebibytes(api)
    clients.send(REQUESTS // 2)
    half = mebibytes(api)
    clients.seed = 2
    clients.send(REQUESTS // 2)
    end, rate = mebibytes(api), REQUESTS / (time.monotonic() - began)
    print(f"\n  {REQUESTS:>9,}  mixed requests, {rate:.0f} a second, {len(clients.wrong)} not answered with 200")
    print(f"  {start:>9.0f}  MiB at the start, {half:.0f} halfway, {end:.0f} at the end")
    api.kill()
    assert clients.wrong == []
    assert end - half < GROWTH_MIB


def ask(port: int, path: str, connection: socket.socket | None = None) -> int:
    """Ask over a connection, which stays open where it is given; return the status, 0 without an answer."""
    used = connection or socket.create_connection(("127.0.0.1", port), timeout=30)
    try:
        used.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        line = used.recv(65536).split(b"\r\n")[0]
        return int(line.split()[1]) if line else 0
    except (OSError, IndexError):
        return 0
    finally:
        if connection is None:
            used.close()


def test_thousands_of_open_connections_keep_no_client_from_an_answer(postgres_url: str, tmp_path: Path) -> None:
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 500
    if wanted > most:
        pytest.skip(f"a process may have {most} files open here, and this wants {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(least, wanted), most))  # the API inherits it
    api = Api(postgres_url, tmp_path, RECOMMENDATION_TRAINING="queued")
    start, statuses, slowest, held = mebibytes(api), dict[int, int](), 0.0, []
    try:
        for number in range(CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", api.port), timeout=30)
            held.append(connection)
            status = ask(api.port, f"{PREFIX}/user/u{number}", connection)
            statuses[status] = statuses.get(status, 0) + 1
            if number % 50 == 0:
                began = time.monotonic()
                assert ask(api.port, "/healthz") == 200
                assert ask(api.port, f"{PREFIX}/user/other") == 200
                slowest = max(slowest, time.monotonic() - began)
        full = mebibytes(api)
    finally:
        for connection in held:
            connection.close()
    print(f"\n  {CONNECTIONS:>9,}  connections held open, each after one read: {statuses}")
    print(f"  {slowest:>9.2f}  s at most for a health check and a read; {start:.0f} MiB before, {full:.0f} with all")
    assert set(statuses) == {200}
    assert slowest < 5
    api.kill()
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))
