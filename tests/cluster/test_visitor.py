"""The visitor that rolling restarts are judged by: it counts every answer, and tells of every request that had none."""

import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VISITOR = Path(__file__).with_name("visitor.py")


class Answers(http.server.BaseHTTPRequestHandler):
    """Ends each connection after three answers: with a word, or rudely."""

    protocol_version = "HTTP/1.1"
    polite = True
    left = 3

    def do_GET(self) -> None:
        self.left -= 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        if self.left == 0 and self.polite:
            self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = self.left == 0

    def log_request(self, *_: object) -> None:
        pass


@contextmanager
def serving(polite: bool) -> Iterator[int]:
    handler = type("Handler", (Answers,), {"polite": polite})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def visited(port: int, seconds: float) -> dict[str, int]:
    """Return the counts of a visit."""
    command = [sys.executable, "-c", VISITOR.read_text(), "127.0.0.1", str(port), "/user/u"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
        counts: dict[str, int] = json.loads(process.stdout.read())
    return counts


def test_a_server_that_says_when_it_closes_loses_no_request() -> None:
    with serving(polite=True) as port:
        counts = visited(port, 1)
    assert set(counts) == {"answered"}
    assert counts["answered"] > 20


def test_a_server_that_closes_without_a_word_is_told_of() -> None:
    with serving(polite=False) as port:
        counts = visited(port, 1)
    assert counts["answered"] > 20
    assert sum(counts.values()) > counts["answered"]


def test_a_server_that_is_away_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert set(visited(port, 0.5)) == {"ConnectionRefusedError"}
